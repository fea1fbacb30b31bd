"""Names of parts: what they hold of a file's bytes, and which files have one.

``part-<16>-<8>.parquet``: 16 hex digits of the SHA-256 of the bytes, and 8 of the SHA-256 of the
footer, from where it begins to the end of the file.
"""

from __future__ import annotations

import posixpath
import re
from typing import BinaryIO

import pyarrow as pa

from synpic import ids
from synpic.errors import CorruptPart, OlderSchema
from synpic.workspace.storage import Store

__all__ = [
    "REPAIR",
    "check_bytes",
    "check_footer",
    "damaged",
    "list_parts",
    "name_of",
    "read_footer",
    "require_name",
    "split_footer",
]

REPAIR = "`synpic repair` sets it aside; the next run makes again what it held"

_NAME = re.compile(r"part-([0-9a-f]{16})-([0-9a-f]{8})\.parquet")
_NAME_IN_VERSION_1 = re.compile(r"part-[0-9a-f]{16}\.parquet")

_MAGIC = b"PAR1"
_TAIL = 1 << 16
"""Bytes read from the end of a part at first: a footer is rarely longer."""


def name_of(data: bytes) -> str:
    """The name of the part with these bytes."""
    return f"part-{_hash(data, 16)}-{_hash(_footer(data), 8)}.parquet"


def require_name(store: Store, name: str) -> tuple[str, str]:
    """The hashes in a part's name: of its bytes, and of its footer.

    Raises:
        CorruptPart: it has none: the file was renamed.
        OlderSchema: it is a name of version 1.
    """
    base = posixpath.basename(name)
    if found := _NAME.fullmatch(base):
        return found[1], found[2]
    if _NAME_IN_VERSION_1.fullmatch(base):
        raise OlderSchema.of(store.path(name), 1)
    raise CorruptPart(
        f"{store.path(name)}: its name does not end in two hashes, so it was renamed",
        hint=f"rename it back; or {REPAIR}",
    )


def check_bytes(store: Store, name: str, data: bytes) -> None:
    """Hold the bytes of a part, footer and all, to its name.

    Raises:
        CorruptPart: they are not those that were written under this name.
        OlderSchema: it is a name of version 1.
    """
    whole, _ = require_name(store, name)
    if _hash(data, 16) != whole:
        raise damaged(store, name, "its bytes do not have the hash in its name")
    try:
        check_footer(store, name, _footer(data))
    except ValueError as error:
        raise damaged(store, name, str(error)) from error


def check_footer(store: Store, name: str, footer: bytes) -> None:
    """Hold the footer of a part to its name.

    Raises:
        CorruptPart: it is not the one that was written under this name.
        OlderSchema: it is a name of version 1.
    """
    if _hash(footer, 8) != require_name(store, name)[1]:
        raise damaged(store, name, "its footer does not have the hash in its name")


def list_parts(store: Store, folder: str) -> list[str]:
    """Names of the files in ``folder`` that are meant to be parts, sorted.

    Raises:
        OlderSchema: a version of synpic wrote one that was never released.
    """
    names = [n for n in store.list(folder) if n.startswith("part-") and n.endswith(".parquet")]
    for name in names:
        if _NAME_IN_VERSION_1.fullmatch(name):
            raise OlderSchema.of(store.path(posixpath.join(folder, name)), 1)
    return [posixpath.join(folder, name) for name in names]


def damaged(store: Store, name: str, reason: str) -> CorruptPart:
    """The error that names a damaged part and says what to do with it."""
    return CorruptPart(
        f"{store.path(name)}: truncated or damaged ({reason})",
        hint=REPAIR,
    )


def split_footer(data: bytes) -> tuple[bytes, bytes]:
    """A Parquet file, cut where its footer begins.

    Raises:
        ValueError: it has none.
    """
    footer = _footer(data)
    return data[: -len(footer)], footer


def read_footer(stream: BinaryIO | pa.NativeFile) -> bytes:
    """A Parquet file from where its footer begins to its end.

    Raises:
        ValueError: the file has none.
    """
    size = stream.seek(0, 2)
    start = max(0, size - _TAIL)
    stream.seek(start)
    tail = stream.read(size - start)
    length = _footer_length(tail)
    if length > size - len(_MAGIC):
        raise ValueError("no Parquet footer at its end")
    if length > len(tail):
        stream.seek(size - length)
        tail = stream.read(length)
    return tail[-length:]


def _footer(data: bytes) -> bytes:
    """A Parquet file from where its footer begins."""
    length = _footer_length(data)
    if length > len(data) - len(_MAGIC):
        raise ValueError("no Parquet footer at its end")
    return data[-length:]


def _footer_length(tail: bytes) -> int:
    """Bytes of the footer of a file that ends in ``tail``, with its length and the magic number."""
    if len(tail) < 12 or tail[-4:] != _MAGIC:
        raise ValueError("no Parquet footer at its end")
    return int.from_bytes(tail[-8:-4], "little") + 8


def _hash(data: bytes, digits: int) -> str:
    return ids.sha256(data)[:digits]
