"""A file, or an image in memory → the RGB image a reward sees, the same for every reward."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

__all__ = ["as_rgb", "decode"]

SLIMMEST = 200
"""A side may be so many times the other. No reward knows what to make of a thread, and to resize
one so that its short side fits would take gigabytes."""


def decode(data: bytes) -> Image.Image:
    """The image in the bytes of a file, as :func:`as_rgb` gives it.

    Raises:
        ValueError: it is no whole image; the message is fit for a failure row.
    """
    with _naming_damage(), Image.open(io.BytesIO(data)) as opened:
        return _rgb(opened)


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit RGB.

    It is turned as its EXIF says, and transparency is laid over white, as a viewer on a page shows
    it; palettes are resolved before that; 16-bit grey keeps its upper 8 bits; CMYK is converted by
    Pillow without a profile; of a film, the first picture counts.

    Raises:
        ValueError: it was opened from a file that is no whole image, or it is too large or too slim
            to be one.
    """
    with _naming_damage():
        return _rgb(image)


@contextmanager
def _naming_damage() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except UnidentifiedImageError as error:  # whose own words hold an address in memory
        raise ValueError("not a whole image: of no kind that Pillow knows") from error
    except Exception as error:  # of broken files, every plug-in of Pillow's says something else
        raise ValueError(f"not a whole image: {error}") from error


def _rgb(image: Image.Image) -> Image.Image:
    # By hand: Pillow would warn, and to turn a warning into an error is no business of threads.
    short, long = sorted(image.size)
    if Image.MAX_IMAGE_PIXELS and short * long > Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"{image.width}×{image.height} pixels are more than can be meant")
    if long > SLIMMEST * short:
        raise ValueError(f"{image.width}×{image.height} pixels are too slim for a picture")
    image.load()  # Pillow reads a file when it is first looked at
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
