"""Networks that several rewards are made of, and how images and texts enter them."""
