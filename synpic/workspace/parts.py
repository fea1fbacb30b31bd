"""Parts: Parquet files that are there whole or not at all, read so that damage has a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synpic.errors import CorruptPart
from synpic.workspace import tables
from synpic.workspace.storage import Store

__all__ = ["damaged", "frame", "naming_damage", "open_part", "read_part"]


def open_part(store: Store, name: str) -> pq.ParquetFile:
    """A part with its footer read.

    Raises:
        CorruptPart: it has none, or not a whole one.
        NewerSchema: a later synpic wrote it.
    """
    with naming_damage(store, name):
        file = pq.ParquetFile(store.open(name))
        note = tables.decode_metadata(file.schema_arrow)
    tables.check_version(note, store.path(name))
    return file


def read_part(store: Store, name: str, schema: pa.Schema | None = None) -> pa.Table:
    """Rows of a part: the columns of ``schema``, in its types; or all, as they are.

    Raises:
        CorruptPart, NewerSchema: as :func:`open_part`; or the columns are others.
    """
    file = open_part(store, name)
    with naming_damage(store, name):
        if schema is None:
            return file.read().replace_schema_metadata()
        return file.read(columns=schema.names).replace_schema_metadata().cast(schema)


@contextmanager
def naming_damage(store: Store, name: str) -> Iterator[None]:
    """Turn what the Parquet reader says of a damaged file into a :class:`CorruptPart`."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise damaged(store, name, reason) from error


def damaged(store: Store, name: str, reason: str) -> CorruptPart:
    """The error that names a damaged part and says what to do with it."""
    return CorruptPart(
        f"{store.path(name)}: truncated or damaged ({reason})",
        hint="`synpic repair` sets it aside; the next run makes again what it held",
    )


def frame(table: pa.Table) -> pl.DataFrame:
    """``table`` for polars, without a copy where that can be."""
    made = pl.from_arrow(table)
    assert isinstance(made, pl.DataFrame)
    return made
