"""Files that are made again from their source when they cannot be read.

``prompts.parquet`` and ``ingest.parquet`` save reading a source again; nothing else is lost with
them. A damaged one is never fatal while its source is there.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa

from synpic.errors import CorruptPart, NewerSchema, WorkspaceError
from synpic.readers.json_models import Record, validate
from synpic.workspace.naming import damaged
from synpic.workspace.parts import frame
from synpic.workspace.sealing import read_sealed, write_sealed
from synpic.workspace.storage import Store

__all__ = ["SET_ASIDE", "read_cache", "write_cache"]

SET_ASIDE = "set-aside"
"""The folder for what was in the way."""

_LOG = logging.getLogger(__name__)

N = TypeVar("N", bound=Record)


def read_cache(
    store: Store, name: str, columns: Mapping[str, pl.DataType | type[pl.DataType]], note: type[N]
) -> tuple[pa.Table, N] | None:
    """The rows of ``name`` and its metadata, or None where it is not there or cannot be read.

    Why it cannot be read goes to the log, as a warning.

    Args:
        columns: those that it must have, with their types; others may follow.
        note: what its metadata must hold.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    if not store.exists(name):
        return None
    try:
        table, metadata = read_sealed(store, name)
        found = validate(
            note, metadata.model_dump(by_alias=True), store.path(name), CorruptPart, "make it again"
        )
        _check_columns(table, columns, store, name)
    except NewerSchema:
        raise
    except WorkspaceError as error:
        _LOG.warning("%s; it is made again from its source", error.message)
        return None
    return table, found


def write_cache(store: Store, name: str, table: pa.Table, note: Mapping[str, Any]) -> None:
    """Replace ``name``. A folder in its place is moved to ``set-aside/``.

    Raises:
        StorageError: it cannot be written.
    """
    if store.is_local and store.fs.isdir(store.path(name)):
        store.move(name, f"{SET_ASIDE}/{name}-{uuid.uuid4().hex[:8]}")
    write_sealed(store, name, table, note)


def _check_columns(
    table: pa.Table,
    columns: Mapping[str, pl.DataType | type[pl.DataType]],
    store: Store,
    name: str,
) -> None:
    """Refuse a table that lacks a column, or that polars cannot hold."""
    if any("\0" in column for column in table.column_names):
        raise damaged(store, name, "a column has a NUL in its name")
    try:
        schema = frame(table).schema
    # A panic in Rust is no Exception: columns of some types, and with some names, end in one.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise damaged(store, name, reason) from error
    for column, kind in columns.items():
        if schema.get(column) != kind:
            raise damaged(store, name, f"column {column!r} is missing or of another type")
