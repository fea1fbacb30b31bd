"""Pixels → the bytes of a file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synpic.recipe import ImageSettings

__all__ = ["encode"]

_QUALITY = 95


def encode(pixels: NDArray[np.float32], how: ImageSettings) -> bytes:
    """One image as a file.

    Args:
        pixels: in [0, 1], shape (height, width, 3).
        how: format, quality and subsampling.

    Raises:
        ValueError: a pixel is NaN or infinite; the message is fit for a failure row.
    """
    if not np.isfinite(pixels).all():
        share = 1 - float(np.isfinite(pixels).mean())
        raise ValueError(f"{share:.1%} of the pixels are NaN or infinite")
    image = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
    options: dict[str, Any] = {}
    if how.format == "jpeg":
        options = {"quality": how.quality or _QUALITY, "subsampling": how.subsampling or "4:4:4"}
    elif how.format == "webp":
        options = {"quality": how.quality or _QUALITY}
    buffer = io.BytesIO()
    image.save(buffer, format=how.format, **options)
    return buffer.getvalue()
