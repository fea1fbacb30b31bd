"""What cards are made of, whoever writes them: strangers' text as Markdown; the card of a model."""
