"""What marks prompts and images as flagged: a list of words, and classifiers by name."""
