"""Faults in images: chunks of PNG, segments of JPEG."""

from __future__ import annotations

import random
import struct
import zlib

from tests.fuzz.values import Changed

__all__ = ["mutate_jpeg", "mutate_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(_SIGNATURE)
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    return found


def _chunk(kind: bytes, body: bytes, spoil: int = 0) -> bytes:
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body) ^ spoil)
    )


def mutate_png(data: bytes, rng: random.Random) -> Changed:
    """A PNG with a chunk that is gone, damaged, doubled, or says another thing."""
    chunks = _chunks(data)
    at = rng.randrange(len(chunks))
    kind, body = chunks[at]
    name = kind.decode()
    how = rng.choice(
        ["crc", "gone", "twice", "body", "size", "depth", "bomb", "exif", "icc", "end"]
    )
    spoiled = {at: 1} if how == "crc" else {}
    head = bytearray(chunks[0][1])
    if how == "gone":
        del chunks[at]
    elif how == "twice":
        chunks.insert(at, (kind, body))
    elif how == "body":
        chunks[at] = (kind, rng.randbytes(len(body)))
    elif how == "size":
        side = rng.choice([0, 1, 2**31 - 1, 50_000, 7])
        at = rng.choice([0, 4])
        head[at : at + 4] = struct.pack(">I", side)
        chunks[0] = (b"IHDR", bytes(head))
    elif how == "depth":
        head[8], head[9] = rng.choice([1, 3, 8, 16, 255]), rng.choice([0, 2, 3, 4, 6, 9])
        chunks[0] = (b"IHDR", bytes(head))
    elif how == "bomb":
        note = b"note\0\0" + zlib.compress(bytes(3_000_000))
        chunks.insert(1, (b"zTXt", note))
    elif how == "exif":
        chunks.insert(1, (b"eXIf", rng.choice([b"", b"II*\0\xff\xff\xff\xff", rng.randbytes(30)])))
    elif how == "icc":
        chunks.insert(1, (b"iCCP", b"x\0\0" + rng.choice([b"", zlib.compress(rng.randbytes(99))])))
    else:
        chunks = chunks[:-1]
    written = b"".join(_chunk(*one, spoiled.get(index, 0)) for index, one in enumerate(chunks))
    return _SIGNATURE + written, f"{how} of {name}", None


def mutate_jpeg(data: bytes, rng: random.Random) -> Changed:
    """A JPEG with a segment that is gone or says another thing."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (size,) = struct.unpack(">H", data[at + 2 : at + 4])
        segments.append((data[at + 1], data[at + 4 : at + 2 + size]))
        at += size + 2
    scan = data[at:]
    index = rng.randrange(len(segments))
    kind, body = segments[index]
    how = rng.choice(["gone", "body", "size", "exif", "scan", "marker"])
    if how == "gone":
        del segments[index]
    elif how == "body":
        segments[index] = (kind, rng.randbytes(len(body)))
    elif how == "size":
        for number, (one, inside) in enumerate(segments):
            if one in (0xC0, 0xC2):
                side = rng.choice([0, 1, 65_535])
                segments[number] = (one, inside[:1] + struct.pack(">HH", side, side) + inside[5:])
    elif how == "exif":
        entry = struct.pack("<HHIHH", 0x0112, 3, 1, rng.choice([0, 6, 8, 9, 65_535]), 0)
        exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", rng.choice([1, 65_535])) + entry
        segments.insert(0, (0xE1, exif))
    elif how == "scan":
        scan = scan[: rng.randrange(len(scan))]
    else:
        segments[index] = (rng.randrange(256), body)
    pieces = [bytes([0xFF, one]) + struct.pack(">H", len(b) + 2) + b for one, b in segments]
    return data[:2] + b"".join(pieces) + scan, f"{how} of segment {kind:#04x}", None
