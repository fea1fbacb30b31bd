"""What the readers of single image formats share: the exception, and what Exif says of a picture.

A reader of a format takes a file apart without decoding a pixel. It checks what the format lets it
check, and gives back a file with the picture alone: notes beside it (text, colour profiles, Exif,
further pictures) never reach Pillow, which would read, decompress and limit them.
"""

from __future__ import annotations

import struct

__all__ = ["ImageError", "damaged", "orientation_of"]


class ImageError(ValueError):
    """Bytes that are not a whole image, or an image that is not read.

    The message is the reason. It is one line, the same for the same bytes, and fit for a failure
    row.
    """


def damaged(why: str) -> ImageError:
    """The exception for bytes that are not a whole image."""
    return ImageError(f"not a whole image: {why}"[:500])


_ORIENTATION = 0x0112
_INTEGERS = {1: "B", 3: "H", 4: "I"}
"""TIFF's types of whole numbers: BYTE, SHORT, LONG."""


def orientation_of(exif: bytes | None) -> int:
    """The Exif orientation, 1 … 8, of an Exif block; 1 where it has none or is damaged.

    Args:
        exif: a TIFF header and what follows it, with or without ``Exif\\0\\0`` before it.

    Source: Exif 2.32 (CIPA DC-008), §4.5 and §4.6.4, tag 274.
    """
    if not exif:
        return 1
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, directory)
        for place in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(order + "HHI", block, place)
            if tag == _ORIENTATION and kind in _INTEGERS and values == 1:
                (value,) = struct.unpack_from(order + _INTEGERS[kind], block, place + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # a note on the image that breaks off, and no part of it
    return 1
