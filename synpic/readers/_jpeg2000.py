"""JPEG 2000 walked to its end: Pillow reads what is there of a file that breaks off.

Source: ITU-T T.800, annexes A (codestream) and I (boxes).
"""

from __future__ import annotations

import struct

from synpic.readers._image_formats import damaged

__all__ = ["SIGNATURES", "require_end"]

_CODESTREAM = b"\xff\x4f\xff\x51"

SIGNATURES = (_CODESTREAM, b"\0\0\0\x0cjP  \r\n\x87\n")

_SOT, _EOC = b"\xff\x90", b"\xff\xd9"


def require_end(data: bytes) -> None:
    """Refuse a file, which begins with one of ``SIGNATURES``, whose codestream has no end.

    Raises:
        ImageError: it breaks off.
    """
    try:
        position = _codestream(data) + 2
        while (marker := data[position : position + 2]) != _EOC:
            if marker == _SOT:  # a tile's part, with its pixels; of length 0 it is the last
                (length,) = struct.unpack_from(">I", data, position + 6)
                position = position + length if length else data.rindex(_EOC)
            else:
                position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    except (struct.error, ValueError) as error:
        raise damaged("it breaks off before its end") from error


def _codestream(data: bytes) -> int:
    """Where it begins; ``struct.error`` where it does not."""
    position = 0
    while not data.startswith(_CODESTREAM, position):
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        position += header if kind == b"jp2c" else max(length or len(data), header)
    return position
