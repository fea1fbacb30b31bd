"""What both rewards start from: pixels of one size, and the colour of the ground."""

from __future__ import annotations

import numpy as np
from PIL import Image

from synpic.readers.images import as_rgb
from synpic.shapes.scene import CANVAS, Floats

__all__ = ["commonest", "to_canvas"]


def to_canvas(image: Image.Image) -> Floats:
    """``float32[32, 32, 3]``, RGB in 0 … 255; larger images are averaged down."""
    small = as_rgb(image).resize((CANVAS, CANVAS), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def commonest(pixels: Floats) -> Floats:
    """``float32[3]``: the mean of the pixels that share the commonest of 16 x 16 x 16 colours."""
    coarse = (pixels.reshape(-1, 3) // 16).astype(np.int64)
    keys = coarse @ np.array([256, 16, 1])
    values, counts = np.unique(keys, return_counts=True)
    mean: Floats = pixels.reshape(-1, 3)[keys == values[counts.argmax()]].mean(axis=0)
    return mean
