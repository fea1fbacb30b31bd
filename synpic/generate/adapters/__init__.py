"""LoRAs: what their tensors are called, whether they fit a model, and how they are laid over it."""
