"""A first look at a file that is said to be an image: that it is one, how large, of which kind."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from threading import Lock

from PIL import Image, UnidentifiedImageError

__all__ = ["Seen", "look"]

_OPENING = Lock()
"""Filters of warnings belong to the process: one thread at a time may change them."""


@dataclass(frozen=True)
class Seen:
    """A whole image.

    Args:
        width, height: in pixels, as they are stored.
        ending: of a file of its kind: "jpeg", "png", "webp".
    """

    width: int
    height: int
    ending: str


def look(data: bytes) -> Seen:
    """Decode ``data`` to its end: a file that breaks off is better missed now than in training.

    Raises:
        ValueError: it is no whole image; the message is fit for a failure row.
    """
    try:
        with _open(data) as image:
            image.load()
            return Seen(*image.size, (image.format or "image").lower())
    except UnidentifiedImageError as error:
        # Pillow names the object in memory where there is no file to name.
        raise ValueError("not a whole image: of no kind that Pillow knows") from error
    except Exception as error:
        # A file may hold anything, and its decoder may raise anything.
        raise ValueError(
            f"not a whole image: {str(error) or type(error).__name__}"[:500]
        ) from error


def _open(data: bytes) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data))
