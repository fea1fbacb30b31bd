"""The dataset card: its text, charts and pictures."""
