"""The two images of a comparison, encoded alike: nothing but the pixels tells which model drew one.

A file's format, its metadata, its size in bytes and the number of its pixels may each show
which model drew it. Both images are decoded, brought to the same longest side, and encoded as WebP
of one setting.
"""

from __future__ import annotations

import io
import threading

from PIL import Image

from synpic.readers.images import decode
from synpic.study.definition import ShownImage
from synpic.web.kept import KeptBytes
from synpic.workspace.images import ImageReader

__all__ = ["LONGEST", "Pictures", "encode_alike"]

LONGEST = 1024
"""Longest side, in pixels, of what is shown."""

_LOSSLESS = 128
"""Up to this longest side, loss shows, and there is nothing to save."""

QUALITY = 92
KEPT_BYTES = 128 * 1024 * 1024


def encode_alike(data: bytes, other: bytes) -> bytes:
    """The image file ``data`` as it is shown beside ``other``: WebP, without metadata.

    Its longest side is that of the larger image of the two, and at most ``LONGEST``; a smaller one
    is enlarged (Lanczos), as a browser would.

    Raises:
        ImageError: one of them is no whole image.
    """
    image, beside = decode(data), decode(other)
    longest = min(LONGEST, max(*image.size, *beside.size))
    scale = longest / max(image.size)
    if scale != 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # What was opened from a file may carry its profile along: a new image has its pixels alone.
    plain = Image.new("RGB", image.size)
    plain.paste(image)
    plain.save(buffer, "WEBP", quality=QUALITY, method=4, lossless=longest <= _LOSSLESS)
    return buffer.getvalue()


class Pictures:
    """Images of a workspace as raters see them. Any number of threads may ask.

    Args:
        reader: of the workspace; it keeps files open, so one thread at a time uses it.
    """

    def __init__(self, reader: ImageReader, limit: int = KEPT_BYTES) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._kept = KeptBytes(limit)

    def get(self, picture: ShownImage, beside: ShownImage) -> bytes:
        """``picture`` as it is shown beside another one: WebP.

        Raises:
            WorkspaceError, CorruptPart: one of them is gone, or damaged.
            ImageError: one is no whole image.
        """
        key = picture.candidate_id, beside.candidate_id
        return self._kept.get(key, lambda: self._make(picture, beside))

    def _make(self, picture: ShownImage, beside: ShownImage) -> bytes:
        wanted = [(one.candidate_id, one.sha256) for one in (picture, beside)]
        with self._lock:
            data, other = self._reader.read(wanted)
        return encode_alike(data, other)
