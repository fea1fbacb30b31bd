"""Images in as many pixels as a model is to be given."""

from __future__ import annotations

import math

from PIL.Image import Image, Resampling

__all__ = ["fit"]


def fit(image: Image, max_pixels: int) -> Image:
    """``image``, in its proportions and in at most ``max_pixels``; bicubic, by Pillow.

    No side is made shorter than a pixel.
    """
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    size = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    return image.resize(size, Resampling.BICUBIC)
