"""What cards are made of: untrusted text as Markdown; the card of a model."""
