"""Seeded operators: a valid file and a seed → the file with one fault in it.

Those on bytes fit any file. Those of a kind (JSON, TOML, a card's head, CSV, JSONL, Parquet, PNG,
JPEG, tar) write a file that still parses as its kind, and is wrong further in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fuzz import archives, pixels, tabular, values

__all__ = ["KINDS", "Mutation", "mutate", "mutate_bytes"]


@dataclass(frozen=True)
class Mutation:
    """A damaged file.

    Args:
        data: its bytes.
        what: what was done to it.
        key: the last key that was touched, where one was; a message has to lead to it.
        raw: bytes were changed without regard to what they mean, as a disk or a network does.
    """

    data: bytes
    what: str
    key: str | None = None
    raw: bool = False


Operator = Callable[[bytes, random.Random], Mutation]


def mutate(data: bytes, kind: str, seed: int) -> Mutation:
    """``data``, a file of ``kind``, with the fault that ``seed`` chooses. Never equal to it."""
    rng = random.Random(seed)
    for _ in range(20):
        families = KINDS[kind]
        family = rng.choice(families)
        made = rng.choice(family)(data, rng)
        if made.data != data:
            return made
    return mutate_bytes(data, rng)


def mutate_bytes(data: bytes, rng: random.Random) -> Mutation:
    """``data`` with some of its bytes changed."""
    while True:
        made = rng.choice(_BYTES)(data, rng)
        if made.data != data:
            return made


# -- bytes ---------------------------------------------------------------------------------------


def _flip_bit(data: bytes, rng: random.Random) -> Mutation:
    if not data:
        return Mutation(b"\0", "one byte in an empty file", raw=True)
    at, bit = rng.randrange(len(data)), rng.randrange(8)
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return Mutation(bytes(changed), f"bit {bit} of byte {at} flipped", raw=True)


def _set_byte(data: bytes, rng: random.Random) -> Mutation:
    at, value = rng.randrange(len(data) or 1), rng.choice([0, 0x7F, 0x80, 0xFF])
    changed = bytearray(data or b"x")
    changed[at] = value
    return Mutation(bytes(changed), f"byte {at} set to {value:#04x}", raw=True)


def _truncate(data: bytes, rng: random.Random) -> Mutation:
    size = rng.choice([0, 1, len(data) // 2, max(0, len(data) - 1), rng.randrange(len(data) or 1)])
    return Mutation(data[:size], f"cut after {size} bytes", raw=True)


def _extend(data: bytes, rng: random.Random) -> Mutation:
    more = rng.choice([b"\0", b"\n", b"}", b"\xff" * 7, bytes(4096), data])
    return Mutation(data + more, f"{len(more)} bytes appended", raw=True)


def _insert(data: bytes, rng: random.Random) -> Mutation:
    at = rng.randrange(len(data) + 1)
    more = rng.randbytes(rng.randrange(1, 9))
    return Mutation(data[:at] + more + data[at:], f"{len(more)} bytes put in at {at}", raw=True)


def _swap(data: bytes, rng: random.Random) -> Mutation:
    size = rng.randrange(1, max(2, len(data) // 4))
    a, b = sorted(rng.randrange(max(1, len(data) - size)) for _ in range(2))
    if b < a + size:
        return Mutation(data[a:] + data[:a], f"rotated by {a} bytes", raw=True)
    swapped = data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size]
    return Mutation(swapped + data[b + size :], f"{size} bytes at {a} and {b} exchanged", raw=True)


def _zero(data: bytes, rng: random.Random) -> Mutation:
    at = rng.randrange(len(data) or 1)
    size = rng.choice([1, 8, 64, 512])
    changed = data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]
    return Mutation(changed, f"{size} bytes from {at} set to 0", raw=True)


_BYTES: Sequence[Operator] = (
    _flip_bit,
    _flip_bit,
    _set_byte,
    _truncate,
    _extend,
    _insert,
    _swap,
    _zero,
)


# -- text ----------------------------------------------------------------------------------------


def _bom(data: bytes, rng: random.Random) -> Mutation:
    where = rng.choice(["before", "inside"])
    if where == "before":
        return Mutation(b"\xef\xbb\xbf" + data, "a byte order mark before it")
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = b"\xef\xbb\xbf" + lines[at]
    return Mutation(b"\n".join(lines), f"a byte order mark at line {at + 1}")


def _utf16(data: bytes, rng: random.Random) -> Mutation:
    kind = rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037", "latin-1"])
    text = data.decode("utf-8", errors="replace")
    return Mutation(text.encode(kind, errors="replace"), f"saved as {kind}")


def _put(what: str, *pieces: bytes) -> Operator:
    def operator(data: bytes, rng: random.Random) -> Mutation:
        at, piece = rng.randrange(len(data) + 1), rng.choice(pieces)
        return Mutation(data[:at] + piece + data[at:], f"{what} at byte {at}")

    return operator


def _line_ends(data: bytes, rng: random.Random) -> Mutation:
    end = rng.choice([b"\r\n", b"\r", b"\n\n", b"", b"\xe2\x80\xa8", b"\x0b", b"\x0c", b"\x85"])
    return Mutation(data.replace(b"\n", end), f"line ends are {end!r}")


def _repeat_line(data: bytes, rng: random.Random) -> Mutation:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines.insert(at, lines[at])
    return Mutation(b"\n".join(lines), f"line {at + 1} twice")


def _drop_line(data: bytes, rng: random.Random) -> Mutation:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    del lines[at]
    return Mutation(b"\n".join(lines), f"line {at + 1} deleted")


def _swap_lines(data: bytes, rng: random.Random) -> Mutation:
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return Mutation(b"\n".join(lines), f"lines {a + 1} and {b + 1} exchanged")


_CONTROL = [b"\0", b"\x1b[31m", b"\x07", b"\x7f", b"\xc2\x9b", b"\x08\x08"]
_UNICODE = [
    "\u202e",
    "\u200b",
    "\ufeff",
    "\u0301" * 50,
    "\U0001f468\u200d\U0001f469",
    "ﬁ",
    "\u2028",
]

_TEXT: Sequence[Operator] = (
    _bom,
    _utf16,
    _line_ends,
    _repeat_line,
    _drop_line,
    _swap_lines,
    _put("a control character", *_CONTROL),
    _put("odd Unicode", *(text.encode() for text in _UNICODE)),
    _put("no UTF-8", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    _put("200,000 letters", b"x" * 200_000),
    _put("a comment", b"#", b"//", b"<!--", b"---\n"),
    _put("a quote", b'"', b"'", b'"""', b"\\"),
)


# -- kinds ---------------------------------------------------------------------------------------


def _of(change: Callable[[bytes, random.Random], tuple[bytes, str, str | None]]) -> Operator:
    def operator(data: bytes, rng: random.Random) -> Mutation:
        made, what, key = change(data, rng)
        return Mutation(made, what, key)

    return operator


KINDS: Mapping[str, Sequence[Sequence[Operator]]] = {
    "bytes": [_BYTES],
    "text": [_BYTES, _TEXT, _TEXT],
    "json": [_BYTES, _TEXT, *([[_of(values.mutate_json)]] * 3)],
    "toml": [_BYTES, _TEXT, *([[_of(values.mutate_toml)]] * 3)],
    "card": [_BYTES, _TEXT, *([[_of(values.mutate_card)]] * 2)],
    "csv": [_BYTES, _TEXT, *([[_of(tabular.mutate_csv)]] * 2)],
    "jsonl": [_BYTES, _TEXT, *([[_of(tabular.mutate_jsonl)]] * 2)],
    "parquet": [_BYTES, [_of(tabular.mutate_parquet)]],
    "png": [_BYTES, [_of(pixels.mutate_png)]],
    "jpeg": [_BYTES, [_of(pixels.mutate_jpeg)]],
    "tar": [_BYTES, *([[_of(archives.mutate_tar)]] * 2)],
    "safetensors": [_BYTES, *([[_of(values.mutate_safetensors)]] * 2)],
}
"""Kind of file → families of operators; each family is as likely as another."""
