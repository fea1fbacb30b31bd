"""Pixels → eight bits → the bytes of a file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synpic.recipe.settings import ImageSettings

__all__ = ["eight_bits", "encode"]

_SLACK = 0.01
"""Rounding in half precision; more is another range of values, and would be clipped to nonsense."""


def eight_bits(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """One image as it is kept: 0 … 255, rounded to even as diffusers does.

    Args:
        pixels: in [0, 1], shape (height, width, 3).

    Raises:
        ValueError: a pixel is NaN, infinite or far outside, or all are 0; the message is fit for a
            failure row.
    """
    least, most = pixels.min(), pixels.max()  # NaN, where there is one
    if not (np.isfinite(least) and np.isfinite(most)):
        share = 1 - float(np.isfinite(pixels).mean())
        raise ValueError(f"{share:.1%} of the pixels are NaN or infinite")
    if least < -_SLACK or most > 1 + _SLACK:
        raise ValueError(f"pixels in [0, 1] expected, not in [{least}, {most}]")
    rounded = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
    if not rounded.any():
        # A picture of any other single colour is one that somebody may have asked for.
        raise ValueError("black: every pixel is 0, as where a model overflows its dtype")
    return rounded


def encode(pixels: NDArray[np.uint8], how: ImageSettings) -> bytes:
    """One image, of shape (height, width, 3), as a file. Lets other threads run meanwhile.

    Args:
        how: format, quality and subsampling.

    Raises:
        ValueError, OSError: the format cannot hold it, as where it is too large.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **how.fingerprint_inputs)
    return buffer.getvalue()
