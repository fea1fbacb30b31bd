"""Files of images for tests: encoded by Pillow, and PNGs put together chunk by chunk."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(width: int, height: int) -> npt.NDArray[np.uint8]:
    """``UInt8[height, width, 3]``: smooth, and unlike itself however it is turned."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x / max(1, width - 1), y / max(1, height - 1)
    channels = [250 * x, 200 * y, 120 * x * y + 90 * (1 - x)]
    return np.stack(channels, -1).round().astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A PNG chunk, with its checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the chunks of a PNG."""
    start = len(SIGNATURE)
    while start < len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, data[start + 8 : start + 8 + length]
        start += length + 12


def with_chunks(data: bytes, *added: bytes) -> bytes:
    """A PNG with whole chunks ``added`` after its header."""
    return data[:33] + b"".join(added) + data[33:]


def with_pixels(data: bytes, packed: bytes) -> bytes:
    """A PNG whose IDAT holds ``packed``."""
    kept = [(kind, packed if kind == b"IDAT" else content) for kind, content in chunks(data)]
    return SIGNATURE + b"".join(chunk(*one) for one in kept)


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def in_mode(mode: str, width: int = 24, height: int = 16) -> Image.Image:
    """A picture of no symmetry in a mode of Pillow's, with transparency where it has any."""
    colours = Image.fromarray(picture(width, height))
    if mode in ("LA", "RGBA"):
        image = colours.convert(mode)
        image.putalpha(colours.convert("L"))
        return image
    if mode == "P":
        image = colours.quantize(8)
        image.info["transparency"] = 0
        return image
    if mode == "I;16":
        return Image.fromarray(np.asarray(colours.convert("L"), np.uint16) * 256 + 7)
    return colours.convert(mode)
