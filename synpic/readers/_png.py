"""PNG without its notes: chunks checked, the pixels' zlib stream read to its end.

Pillow verifies no CRC of pixels, accepts a file without an end, and refuses one whose text or
colour profile is long.

Source: PNG, third edition (W3C, 2025), §5 and §10.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from synpic.readers._image_formats import damaged
from synpic.readers.display import number

__all__ = ["SIGNATURE", "Png", "picture_of", "take_apart"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks that decide pixels."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type → samples of a pixel."""

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Colour type → bits of a sample."""

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ADAM7 = (*_PASSES, (0, 1, 1, 2))
"""Of each pass of an interlaced picture: the first column and row, and how far to the next ones."""

_SURPLUS = 1 << 20
"""Bytes that an encoder may have written beyond the last row; they are read and dropped."""

_MOST_CHUNKS = 200_000
"""The largest picture that is read, in 16-bit RGBA, has some ninety thousand of 8 KiB. Each of them
takes memory many times its twelve bytes."""

_STORED = 65535
"""The longest block that a zlib stream holds without compression."""


@dataclass(frozen=True)
class Png:
    """A PNG file, taken apart.

    Args:
        width, height: in pixels, as stored.
        header, palette, transparency: whole chunks; the last two are None where there are none.
        pixels: where the chunks of pixels begin, and how long what they hold is.
        exif: what the chunk eXIf holds, None where there is none that is whole.
    """

    width: int
    height: int
    header: memoryview
    palette: memoryview | None
    transparency: memoryview | None
    pixels: list[tuple[int, int]]
    exif: bytes | None


def take_apart(data: bytes) -> Png:
    """The chunks of a file that begins with ``SIGNATURE``.

    Checksums are verified, except those of pixels, which :func:`picture_of` verifies.

    Raises:
        ImageError: a chunk that decides pixels is damaged, or the file has no end.
    """
    view = memoryview(data)
    found: dict[bytes, memoryview] = {}
    pixels: list[tuple[int, int]] = []
    exif = None
    for kind, start, length in _chunks(data):
        if kind == b"IDAT":
            pixels.append((start, length))
            continue
        whole = _is_whole(view, kind, start, length)
        if kind not in _PICTURE:
            _require_note(view, kind, start, length, whole)
            if kind == b"eXIf" and whole:
                exif = bytes(view[start + 8 : start + 8 + length])
        elif not whole:
            raise damaged(f"its chunk {kind.decode()} fails its checksum")
        elif not found and kind != b"IHDR":
            raise damaged("its header is not where it should be")
        else:
            found.setdefault(kind, view[start : start + length + 12])
    header = found.get(b"IHDR")
    if header is None or not pixels:
        raise damaged("it has no header" if header is None else "it has no pixels")
    width, height = _checked_header(header)
    if header[17] == 3 and b"PLTE" not in found:
        raise damaged("its palette is missing")
    palette, transparency = found.get(b"PLTE"), found.get(b"tRNS")
    return Png(width, height, header, palette, transparency, pixels, exif)


def picture_of(data: bytes, png: Png) -> bytes:
    """A PNG file with the picture alone, for Pillow to decode.

    The pixels are inflated here, once, up to as many bytes as the picture has, and handed on
    uncompressed: this is what tells that they are all there and fit their checksums.

    Args:
        data: the file that ``png`` was made of.

    Raises:
        ImageError: pixels fail a checksum or break off.
    """
    view = memoryview(data)
    for start, length in png.pixels:
        if not _is_whole(view, b"IDAT", start, length):
            raise damaged("its pixels fail their checksum")
    packed = b"".join(view[start + 8 : start + 8 + length] for start, length in png.pixels)
    blocks = _stored(*_inflated(packed, _bytes_of_pixels(png)))
    size = struct.pack(">I", sum(map(len, blocks)))
    before = [chunk for chunk in (png.header, png.palette, png.transparency) if chunk is not None]
    # Pillow verifies no checksum of IDAT, so none is computed for the new one.
    after = b"\0\0\0\0" + b"\0\0\0\0IEND\xaeB`\x82"
    return b"".join([SIGNATURE, *before, size, b"IDAT", *blocks, after])


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, where it begins, and the length of what it holds, of each chunk up to the last."""
    start, kind, seen = len(SIGNATURE), b"", 0
    while kind != b"IEND":
        seen += 1
        if seen > _MOST_CHUNKS:
            raise damaged(f"it has more than {number(_MOST_CHUNKS)} chunks")
        if start + 12 > len(data):
            raise damaged("it breaks off before its end")
        length, kind = struct.unpack_from(">I4s", data, start)
        if not kind.isalpha():
            raise damaged(f"there is no chunk at byte {start}")
        if start + 12 + length > len(data):
            raise damaged(f"it breaks off in its chunk {kind.decode()}")
        yield kind, start, length
        start += 12 + length


def _is_whole(view: memoryview, kind: bytes, start: int, length: int) -> bool:
    """Whether a chunk's content, under the name ``kind``, has the checksum that stands after it."""
    end = start + 8 + length
    checksum = zlib.crc32(view[start + 8 : end], zlib.crc32(kind))
    return checksum == int.from_bytes(view[end : end + 4])


def _require_note(view: memoryview, kind: bytes, start: int, length: int, whole: bool) -> None:
    """Refuse a chunk that is no note: one that must be understood, or that lost its name."""
    name = kind.decode()
    if not kind[:1].islower():
        raise damaged(f"the picture cannot be read without its chunk {name}, which is not known")
    if not whole and any(_is_whole(view, one, start, length) for one in _PICTURE):
        raise damaged(f"a chunk that decides pixels is damaged: it is named {name}")


def _checked_header(header: memoryview) -> tuple[int, int]:
    """Width and height."""
    if len(header) != 25:
        raise damaged("its header has another length than a PNG's")
    width, height, depth, colour, packing, filtering, interlacing = struct.unpack(
        ">IIBBBBB", header[8:21]
    )
    if not (width and height):
        raise damaged(f"{width}×{height} pixels are none")
    if depth not in _DEPTHS.get(colour, ()) or packing or filtering or interlacing > 1:
        raise damaged("its header says what no PNG's says")
    return width, height


def _bytes_of_pixels(png: Png) -> int:
    """How many bytes the rows are, each with the byte that names its filter."""
    depth, colour, interlaced = png.header[16], png.header[17], png.header[20]
    bits = depth * _CHANNELS[colour]
    total = 0
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        width, height = -((left - png.width) // right), -((top - png.height) // down)
        if width > 0 and height > 0:
            total += height * (1 + (width * bits + 7) // 8)
    return total


def _inflated(packed: bytes, size: int) -> tuple[bytes, bytes]:
    """The ``size`` bytes in a zlib stream, and their checksum; the stream is read to its end."""
    stream = zlib.decompressobj()
    try:
        pixels = stream.decompress(packed, size)
        surplus, rest = 0, stream.unconsumed_tail
        while len(pixels) == size and not stream.eof and surplus <= _SURPLUS:
            more = stream.decompress(rest, 1 << 16)
            surplus += len(more)
            if not more and not stream.eof:
                break
            rest = stream.unconsumed_tail
    except zlib.error as error:
        raise damaged(f"its pixels cannot be inflated: {error}") from error
    if len(pixels) < size or not stream.eof:
        raise damaged("its pixels break off" if surplus <= _SURPLUS else "its pixels do not end")
    end = len(packed) - len(stream.unused_data)
    return pixels, zlib.adler32(pixels).to_bytes(4) if surplus else packed[end - 4 : end]


def _stored(pixels: bytes, checksum: bytes) -> list[bytes | memoryview]:
    """A zlib stream that holds ``pixels`` without compression (RFC 1950, RFC 1951 §3.2.4)."""
    view = memoryview(pixels)
    stream: list[bytes | memoryview] = [b"\x78\x01"]
    for start in range(0, len(pixels), _STORED):
        block = view[start : start + _STORED]
        last = start + _STORED >= len(pixels)
        stream += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return [*stream, checksum]
