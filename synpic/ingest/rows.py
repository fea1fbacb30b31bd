"""Images out of rows of Parquet files, forwards: asked in order, a row group is fetched once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from synpic.ingest.arrow_files import ArrowFile, top_column

__all__ = ["RowReader", "TableFile"]

TableFile: TypeAlias = pq.ParquetFile | ArrowFile
"""Files of rows, cut into row groups."""

_BATCH = 32
"""Rows that are unpacked together."""


class RowReader:
    """Reads images at (file, group, row, column).

    Args:
        open_file: a file's name → the file, until the context ends.
        naming_errors: a file's name → a context that says what goes wrong while it is read.
    """

    def __init__(
        self,
        open_file: Callable[[str], AbstractContextManager[TableFile]],
        naming_errors: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._open_file, self._naming_errors = open_file, naming_errors
        self._opened = ExitStack()
        self._file: tuple[str, TableFile] | None = None
        self._at: tuple[str, int, frozenset[str]] | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None
        self._first = 0

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
        """The images of ``rows`` as they are encoded; None where a cell is empty.

        Raises:
            IngestError, CheckpointError: a file cannot be read.
        """
        leaves = frozenset(row["column"] for row in rows)
        places = [(row["file"], row["group"], row["row"]) for row in rows]
        found: list[bytes | None] = [None] * len(rows)
        for number in sorted(range(len(rows)), key=places.__getitem__):
            file, group, row = places[number]
            with self._naming_errors(file):
                batch = self._go_to(file, group, row, leaves)
                found[number] = _cell(batch, rows[number], row - self._first)
        return found

    def close(self) -> None:
        """Close the file that is open."""
        self._opened.close()
        self._file = self._at = self._batch = None
        self._batches = iter(())

    def _go_to(self, name: str, group: int, row: int, leaves: frozenset[str]) -> pa.RecordBatch:
        """The batch that holds ``row``."""
        here = self._at is not None and self._at[:2] == (name, group) and leaves <= self._at[2]
        if not here or row < self._first:
            file = self._opened_file(name)
            self._at = (name, group, leaves)
            self._batches = file.iter_batches(_BATCH, row_groups=[group], columns=sorted(leaves))
            self._first, self._batch = 0, next(self._batches, None)
        while self._batch is not None and row >= self._first + self._batch.num_rows:
            self._first += self._batch.num_rows
            self._batch = next(self._batches, None)
        if self._batch is None:
            raise pa.ArrowInvalid(f"row group {group} has no row {row}")
        return self._batch

    def _opened_file(self, name: str) -> TableFile:
        if self._file is None or self._file[0] != name:
            self.close()
            self._file = (name, self._opened.enter_context(self._open_file(name)))
        return self._file[1]


def _cell(batch: pa.RecordBatch, place: Mapping[str, Any], row: int) -> bytes | None:
    """The image at a row of ``batch``: of a list of images the one that is asked for."""
    value = batch.column(top_column(place["column"], batch.schema.names))[row]
    if place["element"] is not None:
        if value.values is None or place["element"] >= len(value.values):
            return None
        value = value.values[place["element"]]
    found = value.as_py()
    data: bytes | None = found["bytes"] if isinstance(found, dict) else found
    return data
