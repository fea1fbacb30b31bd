"""Pixels → the bytes of a file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synpic.recipe import ImageSettings

__all__ = ["encode"]

_SLACK = 0.01
"""Rounding in half precision; more is another range of values, and would be clipped to nonsense."""


def encode(pixels: NDArray[np.float32], how: ImageSettings) -> bytes:
    """One image as a file.

    Args:
        pixels: in [0, 1], shape (height, width, 3).
        how: format, quality and subsampling.

    Raises:
        ValueError: a pixel is NaN, infinite or far outside; the message is fit for a failure row.
    """
    if not np.isfinite(pixels).all():
        share = 1 - float(np.isfinite(pixels).mean())
        raise ValueError(f"{share:.1%} of the pixels are NaN or infinite")
    if pixels.min() < -_SLACK or pixels.max() > 1 + _SLACK:
        raise ValueError(f"pixels in [0, 1] expected, not in [{pixels.min()}, {pixels.max()}]")
    image = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, **how.decides)
    return buffer.getvalue()
