"""Small pictures of candidates, as WebP, made when they are asked for and kept up to a limit."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from synpic.readers.images import decode, describe
from synpic.web.kept import KeptBytes

__all__ = ["EDGES", "Thumbnails", "for_browsers", "thumbnail"]

EDGES = (160, 320)
"""Longest sides, in pixels, that may be asked for."""

KEPT_BYTES = 96 * 1024 * 1024


def thumbnail(data: bytes, edge: int) -> bytes:
    """An image file as WebP, no side of which is longer than ``edge``; a smaller one is not grown.

    Raises:
        ImageError: it is no whole image.
    """
    image = decode(data)
    # Two steps: a box filter of whole pixels first, which costs a fraction of the second.
    image.thumbnail((edge, edge), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    # Of a few pixels, loss shows: there is nothing to save there.
    image.save(buffer, "WEBP", quality=82, method=2, lossless=max(image.size) <= 64)
    return buffer.getvalue()


def for_browsers(data: bytes) -> tuple[bytes, str]:
    """An image file that a browser shows, and its ending: ``data``, or the same pixels as PNG.

    Raises:
        ImageError: it is no image.
    """
    ending = describe(data).extension
    if ending in _SHOWN:
        return data, ending
    buffer = io.BytesIO()
    decode(data).save(buffer, "PNG")
    return buffer.getvalue(), "png"


_SHOWN = {"avif", "bmp", "gif", "jpg", "png", "webp"}


class Thumbnails:
    """The thumbnails that were asked for last.

    Args:
        limit: bytes to keep at most.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._kept = KeptBytes(limit)

    @property
    def held(self) -> int:
        """Bytes that are kept now."""
        return self._kept.held

    def get(self, key: str, edge: int, read: Callable[[], bytes]) -> bytes:
        """The thumbnail of the image named ``key``; ``read`` gives its file where none is kept.

        Raises:
            ImageError: it is no whole image. And what ``read`` raises.
        """
        return self._kept.get((key, edge), lambda: thumbnail(read(), edge))
