"""The bytes of a file → the RGB image a reward sees, the same for every reward."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

__all__ = ["decode"]

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def decode(data: bytes) -> Image.Image:
    """An image as 8-bit RGB.

    Transparency is laid over white, as a viewer on a page shows it; palettes are resolved before
    that; 16-bit grey keeps its upper 8 bits; CMYK is converted by Pillow without a profile.

    Raises:
        ValueError: it is no whole image; the message is fit for a failure row.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as opened:
                opened.load()
                return _rgb(opened)
    except _BROKEN as error:
        raise ValueError(f"not a whole image: {error}") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        return Image.fromarray((grey >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
