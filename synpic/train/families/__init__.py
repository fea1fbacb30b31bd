"""Kinds of models the trainer knows, a file each."""
