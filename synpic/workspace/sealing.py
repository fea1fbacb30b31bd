"""Parquet files of a fixed name that hold the hash of their own bytes.

``prompts.parquet``, ``ingest.parquet`` and ``joined-prompts.parquet`` have names that cannot hold a
hash, as those of parts do. The file itself holds it: 8 bytes of a mark and the 32 bytes of the
SHA-256 of all other bytes lie between the last column and the footer. A Parquet reader finds
columns by their offsets and the footer from the end, and never sees them; so any reader opens such
a file, and none of its bytes changes unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from synpic.workspace import tables
from synpic.workspace.naming import split_footer
from synpic.workspace.parts import naming_damage, open_bytes
from synpic.workspace.storage import Store

__all__ = ["is_sealed", "read_sealed", "write_sealed"]

_MARK = b"SYNPIC\x00\x01"
_DIGEST = 32
_BLOCK = 1 << 20


def write_sealed(store: Store, name: str, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write ``table`` to ``name``, in place of what was there.

    Raises:
        StorageError: nothing was written.
    """
    columns, footer = split_footer(tables.encode_part(table, metadata))
    store.write(name, columns + _MARK + _digest(columns, footer) + footer)


def read_sealed(store: Store, name: str) -> tuple[pa.Table, tables.PartMetadata]:
    """Rows and metadata of a file of which every byte was verified.

    Raises:
        CorruptPart: it is not what was written.
        NewerSchema, OlderSchema: another version of synpic wrote it.
    """
    data = store.read(name)
    with naming_damage(store, name):
        before, footer = split_footer(data)
        end = max(0, len(before) - _DIGEST - len(_MARK))
        if before[end:] != _MARK + _digest(before[:end], footer):
            raise ValueError("its bytes do not have the hash that was written with them")
    with open_bytes(store, name, data) as file:
        return file.read(), file.metadata


def is_sealed(stream: BinaryIO, holds: str) -> bool:
    """Whether :func:`write_sealed` wrote a file, which may be damaged since.

    Its mark shows it, and so does the note ``holds`` in its metadata: damage to one leaves the
    other.

    Args:
        stream: the file, which is read to its end at most.
        holds: the metadata that it was written with, in the key "holds".
    """
    shown = (_MARK, json.dumps({"holds": holds})[:-1].encode())
    overlap = max(map(len, shown)) - 1
    stream.seek(0)
    before = b""
    while block := stream.read(_BLOCK):
        block = before + block
        if any(one in block for one in shown):
            return True
        before = block[-overlap:]
    return False


def _digest(columns: bytes, footer: bytes) -> bytes:
    found = hashlib.sha256(columns)
    found.update(footer)
    return found.digest()
