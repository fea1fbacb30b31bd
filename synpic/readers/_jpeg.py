"""JPEG without its notes: segments walked, and the picture cut out from its start to its end.

Pillow reads colour profiles, Exif and the addresses of further pictures while it opens a file, and
a camera's file with several pictures becomes one of another format (MPO).

Source: ITU-T T.81, annex B; JFIF and Adobe's APP14 decide colours in libjpeg.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from synpic.readers._image_formats import damaged

__all__ = ["SIGNATURE", "Jpeg", "picture_of", "take_apart"]

SIGNATURE = b"\xff\xd8\xff"

_SOS, _EOI, _COM, _EXIF = 0xDA, 0xD9, 0xFE, 0xE1
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers that nothing follows."""

_BETWEEN_SCANS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, _COM, *range(0xE0, 0xF0)}

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Not pixels: in these, 0xFF is followed by 0x00 or by one of eight markers of where to restart."""

_COLOURS = {0xE0: 14, 0xEE: 12}
"""Notes that decide colours: JFIF, Adobe; and how long they are at least."""

_MOST_SCANS = 500
"""A progressive picture has some ten. Each is a pass over all pixels: a few bytes, much time."""


@dataclass(frozen=True)
class Jpeg:
    """A JPEG file, taken apart up to its pixels.

    Args:
        width, height: in pixels, as stored.
        kept: segments that the picture needs, the signature before them.
        scan: where the first segment of pixels begins.
        exif: of the first Exif segment, None where there is none.
    """

    width: int
    height: int
    kept: list[bytes]
    scan: int
    exif: bytes | None


def take_apart(data: bytes) -> Jpeg:
    """The segments, up to the pixels, of a file that begins with ``SIGNATURE``.

    Raises:
        ImageError: it breaks off, or has no pixels.
    """
    kept, exif, size = [SIGNATURE[:2]], None, None
    position = 2
    while True:
        position = data.find(b"\xff", position)
        marker = data[position + 1] if 0 <= position < len(data) - 1 else _EOI
        if marker == _EOI:
            raise damaged("it breaks off before its pixels")
        if marker in (0x00, 0xFF) or marker in _ALONE:  # bytes between segments that say nothing
            position += 1 if marker == 0xFF else 2
            continue
        if marker == _SOS:
            break
        end = _end_of_segment(data, position)
        content = data[position + 4 : end]
        if marker in _FRAMES:
            if size is not None or len(content) < 6:
                raise damaged("its header is not what a JPEG's is")
            height, width = struct.unpack_from(">HH", content, 1)
            size = width, height
        if marker == _EXIF and exif is None and content.startswith(b"Exif\0"):
            exif = content
        if not (0xE0 <= marker <= 0xEF or marker == _COM) or (
            marker in _COLOURS and len(content) >= _COLOURS[marker]
        ):
            kept.append(data[position:end])
        position = end
    if size is None:
        raise damaged("it has no header before its pixels")
    return Jpeg(*size, kept, position, exif)


def picture_of(data: bytes, jpeg: Jpeg) -> bytes:
    """A JPEG file with the first picture alone, for Pillow to decode.

    Args:
        data: the file that ``jpeg`` was made of.

    Raises:
        ImageError: it has no end, or something else than pixels among them.
    """
    position, scans = jpeg.scan, 0
    while data[position + 1] != _EOI:
        marker = data[position + 1]
        scans += marker == _SOS
        if marker not in _BETWEEN_SCANS:
            raise damaged(f"a marker {marker:#04x} is among its pixels")
        if scans > _MOST_SCANS:
            raise damaged(f"its pixels are in more than {_MOST_SCANS} scans")
        following = _MARKER.search(data, _end_of_segment(data, position))
        if following is None:
            raise damaged("it breaks off before its end")
        position = following.start()
    if position + 2 == len(data) and sum(map(len, jpeg.kept)) == jpeg.scan:
        return data  # there is nothing beside the picture
    return b"".join([*jpeg.kept, memoryview(data)[jpeg.scan : position + 2]])


def _end_of_segment(data: bytes, position: int) -> int:
    """Where the segment whose marker is at ``position`` ends."""
    if position + 4 > len(data):
        raise damaged("it breaks off before its end")
    (length,) = struct.unpack_from(">H", data, position + 2)
    if length < 2 or position + 2 + length > len(data):
        raise damaged("it breaks off, or the length of a segment is damaged")
    return int(position + 2 + length)
