"""A file, or an image in memory → the RGB image a reward sees, the same for every reward."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageOps

__all__ = ["as_rgb", "decode"]

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def decode(data: bytes) -> Image.Image:
    """The image in the bytes of a file, as :func:`as_rgb` gives it.

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


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit RGB.

    It is turned as its EXIF says, and transparency is laid over white, as a viewer on a page shows
    it; palettes are resolved before that; 16-bit grey keeps its upper 8 bits; CMYK is converted by
    Pillow without a profile; of a film, the first picture counts.

    Raises:
        ValueError: it was opened from a file that is no whole image.
    """
    try:
        image.load()  # Pillow reads a file when it is first looked at
        return _rgb(image)
    except _BROKEN as error:
        raise ValueError(f"not a whole image: {error}") from error


def _rgb(image: Image.Image) -> Image.Image:
    image = _upright(image)
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        return Image.fromarray((grey >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:
        # What is broken is a note on the image, and no part of it; viewers pass over it too.
        return image
