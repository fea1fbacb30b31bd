"""The trainer: a published ranking in, a fine-tuned model out."""
