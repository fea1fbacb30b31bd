"""How far the images of a model lie from references, as distributions of features (FID)."""
