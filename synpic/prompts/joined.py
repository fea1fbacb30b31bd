"""Prompts of several workspaces in one file, each row with the source that it came from.

It is a Parquet file with the columns of ``prompts.parquet``. A note in its footer tells it from a
table that others wrote, whose column ``source`` would be one of ``meta_*``.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from synpic.errors import CorruptPart, PromptError
from synpic.workspace.sealing import read_sealed, write_sealed
from synpic.workspace.storage import Store

__all__ = ["JOINED", "is_joined", "read_joined", "write_joined"]

JOINED = "joined-prompts.parquet"
"""What it is called in a workspace."""

_NOTE = {"holds": "joined prompts"}
_MARK = b'"holds": "joined prompts"'


def write_joined(store: Store, table: pa.Table) -> None:
    """Write ``table``, with the columns of ``prompts.parquet``, as ``joined-prompts.parquet``.

    Raises:
        StorageError: nothing was written.
    """
    write_sealed(store, JOINED, table, _NOTE)


def is_joined(stream: BinaryIO) -> bool:
    """Whether the Parquet file in ``stream`` is one that :func:`write_joined` wrote."""
    stream.seek(0)
    try:
        metadata = pq.read_schema(stream).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return False
    return _MARK in metadata.get(b"synpic", b"")


def read_joined(store: Store, path: str) -> pa.Table:
    """Its rows: ``prompt``, ``split``, ``source`` and ``meta_*``.

    Raises:
        PromptError: it is not what was written.
    """
    try:
        table, _ = read_sealed(store, path)
    except CorruptPart as error:
        raise PromptError(
            f"{store.path(path)}: its bytes are not those that were written",
            hint="restore the file; or merge the workspaces again",
        ) from error
    return table.drop_columns(["prompt_id"])
