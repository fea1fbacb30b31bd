"""Prompts of several workspaces in one file, each row with the source that it came from.

It is a Parquet file with the columns of ``prompts.parquet``. A note in its footer tells it from a
table that others wrote, whose column ``source`` would be one of ``meta_*``.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa

from synpic.errors import CorruptPart, PromptError
from synpic.workspace.sealing import is_sealed, read_sealed, write_sealed
from synpic.workspace.storage import Store
from synpic.workspace.workspace import JOINED, JOINED_NOTE

__all__ = ["JOINED", "may_be_joined", "read_joined", "write_joined"]


def write_joined(store: Store, table: pa.Table) -> None:
    """Write ``table``, with the columns of ``prompts.parquet``, as ``joined-prompts.parquet``.

    Raises:
        StorageError: nothing was written.
    """
    write_sealed(store, JOINED, table, {"holds": JOINED_NOTE})


def may_be_joined(stream: BinaryIO) -> bool:
    """Whether :func:`write_joined` wrote the file ``stream``, or synpic another sealed one."""
    return is_sealed(stream, JOINED_NOTE)


def read_joined(store: Store, path: str) -> pa.Table | None:
    """Its rows: ``prompt``, ``split``, ``source`` and ``meta_*``; None where it holds others.

    Raises:
        PromptError: it is not what was written.
    """
    try:
        table, metadata = read_sealed(store, path)
    except CorruptPart as error:
        raise PromptError(
            f"{store.path(path)}: its bytes are not those that were written",
            hint="restore the file; or merge the workspaces again",
        ) from error
    if metadata.model_dump().get("holds") != JOINED_NOTE:
        return None
    return table.drop_columns(["prompt_id"])
