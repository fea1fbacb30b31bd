"""Vision-language models that answer a question about an image."""
