"""Parquet files of a fixed name that hold the hash of their own bytes.

``prompts.parquet`` and ``ingest.parquet`` have names that cannot hold a hash, as those of parts do.
The file itself holds it: 8 bytes of a mark and the 32 bytes of the SHA-256 of all other bytes lie
between the last column and the footer. A Parquet reader finds columns by their offsets and the
footer from the end, and never sees them; so any reader opens such a file, and none of its bytes
changes unnoticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from synpic.workspace import tables
from synpic.workspace.naming import split_footer
from synpic.workspace.parts import naming_damage, open_bytes
from synpic.workspace.storage import Store

__all__ = ["read_sealed", "write_sealed"]

_MARK = b"SYNPIC\x00\x01"
_DIGEST = 32


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


def _digest(columns: bytes, footer: bytes) -> bytes:
    found = hashlib.sha256(columns)
    found.update(footer)
    return found.digest()
