"""Parts: Parquet files whose names prove what they hold. No other module opens one.

A part is called ``part-<16>-<8>.parquet``: 16 hex digits of the SHA-256 of its bytes, and 8 of the
SHA-256 of its footer (from where the footer begins to the end of the file). What is read is checked
against what was written:

- Opening a part (:func:`open_part`) verifies its footer against its name.
- Reading columns of an opened part verifies the checksums of their pages. They cover no footer,
  and the footer decides what the pages mean: hence the second hash.
- Reading a part whole (:func:`read_part`) verifies its bytes against its name.
- Rows must belong to the folder ``<name>-<first 8 of the fingerprint>`` that the part lies in.

The name is a function of the bytes, so that a part is named when it is encoded, not before; equal
bytes written twice are one part.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synpic import ids
from synpic.errors import CorruptPart
from synpic.readers.display import count
from synpic.workspace import tables
from synpic.workspace.naming import (
    REPAIR,
    check_bytes,
    check_footer,
    damaged,
    name_of,
    read_footer,
    require_name,
)
from synpic.workspace.storage import Store

__all__ = [
    "EncodedPart",
    "Part",
    "encode",
    "frame",
    "naming_damage",
    "open_bytes",
    "open_part",
    "read_part",
    "read_part_columns",
    "write_part",
]


_INGESTED = ("ingested", "given")
"""Folders of ingested images, the second of an earlier synpic: rows of any model lie in them."""


@dataclass(frozen=True)
class EncodedPart:
    """A part before it is written: its name, with its folder, and its bytes."""

    name: str
    data: bytes


class Part:
    """An opened part, whose footer is what was written. Use it in a ``with`` block, or close it.

    Args:
        stream: what ``file`` reads from.
        metadata: what was written beside the rows.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        stream: BinaryIO | pa.NativeFile,
        file: pq.ParquetFile,
        metadata: tables.PartMetadata,
    ) -> None:
        self._store, self._name, self._stream, self._file = store, name, stream, file
        self.metadata = metadata
        self._schema = file.schema_arrow

    @property
    def rows_of_groups(self) -> list[int]:
        """How many rows each row group has."""
        footer = self._file.metadata
        return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]

    @property
    def image_bytes(self) -> int:
        """Bytes of all encoded images, as the footer has them: no page is read.

        They include the headers of the pages, about 60 bytes for a row group.
        """
        leaf = tables.leaves(self._schema).index("image.bytes")
        footer = self._file.metadata
        chunks = [footer.row_group(group).column(leaf) for group in range(footer.num_row_groups)]
        # Images lie in a page as they are, each behind its length in four bytes.
        return sum(chunk.total_uncompressed_size - 4 * chunk.num_values for chunk in chunks)

    def read(self, schema: pa.Schema | None = None) -> pa.Table:
        """All rows: the columns of ``schema``, in its types; or all columns, as they are.

        Raises:
            CorruptPart: a page is not what was written; or the columns are others.
        """
        table = self._rows(None if schema is None else schema.names)
        with naming_damage(self._store, self._name):
            # A cast to the same types takes time, too.
            return table if schema is None or table.schema == schema else table.cast(schema)

    def read_columns(self, columns: Sequence[str]) -> pa.Table:
        """All rows of ``columns``; of a struct, ``image.path`` is one field.

        Raises:
            CorruptPart: a page is not what was written.
        """
        return self._rows(list(columns))

    def _rows(self, columns: list[str] | None) -> pa.Table:
        with naming_damage(self._store, self._name):
            # Arrow's threads would let go of the stream at some later time, and one that does so
            # while Python ends aborts the process (apache/arrow#34314).
            table = self._file.read(columns=columns, use_threads=False).replace_schema_metadata()
            self._check_rows(table.num_rows, self._file.metadata.num_rows)
        return table

    def read_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """The rows of one row group, of ``columns``.

        Raises:
            CorruptPart: a page is not what was written.
        """
        with naming_damage(self._store, self._name):
            table = self._file.read_row_group(group, columns=list(columns), use_threads=False)
            self._check_rows(table.num_rows, self._file.metadata.row_group(group).num_rows)
        return table

    def check_folder(self) -> None:
        """Hold the name and the fingerprint in every row to the folder that the part lies in.

        The footer has the least and the greatest value of each column of each row group. Where
        both are one value, every row has it, and no page is read.

        Raises:
            CorruptPart: a row is of another model, reward, judge or comparer.
        """
        names = self._schema.names
        owner = next((column for column in ("model", "reward", "judge") if column in names), None)
        if "sha256_left" in names:
            owner = "name"
        folder = posixpath.basename(posixpath.dirname(self._store.path(self._name)))
        name, _, short = folder.rpartition("-")
        if owner is None or "fingerprint" not in names:
            self._check_named_for(folder, short)
            return
        fingerprints = self._values("fingerprint")
        fitting = all(one is not None and ids.short(one) == short for one in fingerprints)
        owners = {name} if name in _INGESTED else self._values(owner)
        if not (fitting and owners <= {name}):
            found = sorted(
                f"{one}-{ids.short(fingerprint or '')}"
                for one in owners
                for fingerprint in fingerprints
            )
            raise CorruptPart(
                f"{self._store.path(self._name)}: its rows are of {', '.join(found)}, "
                f"and it lies in the folder of {folder}",
                hint="move it back to where it came from; or `synpic repair` sets it aside",
            )

    def _check_named_for(self, folder: str, short: str) -> None:
        """Hold what the metadata say of rows that do not name their source to the folder."""
        inputs = self.metadata.fingerprint_inputs
        if inputs and (found := ids.short(ids.fingerprint(inputs))) != short:
            raise CorruptPart(
                f"{self._store.path(self._name)}: its rows are of a source with the fingerprint "
                f"{found}, and it lies in the folder of {folder}",
                hint="move it back to where it came from; or `synpic repair` sets it aside",
            )

    def _values(self, column: str) -> set[str | None]:
        """Every value of a column of text."""
        leaf = tables.leaves(self._schema).index(column)
        found: set[str | None] = set()
        footer = self._file.metadata
        for group in range(footer.num_row_groups):
            if not footer.row_group(group).num_rows:
                continue
            values = footer.row_group(group).column(leaf).statistics
            if values is None or not values.has_min_max or values.min != values.max:
                return set(self.read_columns([column])[column].to_pylist())
            found.add(values.min)
            if values.null_count:
                found.add(None)
        return found

    @staticmethod
    def _check_rows(found: int, expected: int) -> None:
        # The header of a page says how many values it has, and no checksum covers it.
        if found != expected:
            raise ValueError(f"{count(found, 'row')}, where the footer has {expected:,}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()

    def __enter__(self) -> Part:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def encode(folder: str, table: pa.Table, metadata: Mapping[str, Any]) -> EncodedPart:
    """``table`` as a part of ``folder`` ("scores/pickscore-1a2b3c4d"; "" is the store's root)."""
    data = tables.encode_part(table, metadata)
    return EncodedPart(posixpath.join(folder, name_of(data)), data)


def write_part(store: Store, folder: str, table: pa.Table, metadata: Mapping[str, Any]) -> str:
    """Write ``table`` as a part of ``folder``, and return its name.

    Raises:
        StorageError: nothing was written.
    """
    part = encode(folder, table, metadata)
    store.write(part.name, part.data)
    return part.name


def open_part(store: Store, name: str) -> Part:
    """A part whose footer was verified against its name.

    Raises:
        CorruptPart: the footer is not what was written, or the file has another's name.
        NewerSchema, OlderSchema: another version of synpic wrote it.
    """
    require_name(store, name)
    stream = store.open(name)
    try:
        with naming_damage(store, name):
            footer = read_footer(stream)
            check_footer(store, name, footer)
            parsed = pq.ParquetFile(pa.BufferReader(footer)).metadata
            file = pq.ParquetFile(stream, metadata=parsed, page_checksum_verification=True)
        metadata = _metadata(store, name, file)
        return Part(store, name, stream, file, metadata)
    except BaseException:
        stream.close()
        raise


def read_part(store: Store, name: str, schema: pa.Schema | None = None) -> pa.Table:
    """Rows of a part whose every byte was verified against its name.

    Args:
        schema: the columns that are returned, and their types; None: all, as they are.

    Raises:
        CorruptPart: the bytes are not what was written; the columns are others; or the rows are
            not of the folder.
        NewerSchema, OlderSchema: another version of synpic wrote it.
    """
    require_name(store, name)
    data = store.read(name)
    check_bytes(store, name, data)
    with open_bytes(store, name, data) as part:
        part.check_folder()
        return part.read(schema)


def read_part_columns(store: Store, name: str, schema: pa.Schema) -> pa.Table:
    """Columns of a part, without a look at the bytes of the others: the pixels of candidates.

    Raises:
        As :func:`read_part`, of what is read.
    """
    with open_part(store, name) as part:
        part.check_folder()
        return part.read(schema)


def open_bytes(store: Store, name: str, data: bytes) -> Part:
    """The Parquet file in ``data``, which the caller has verified.

    Raises:
        CorruptPart: it is none, or not one of synpic's.
        NewerSchema, OlderSchema: another version of synpic wrote it.
    """
    stream = pa.BufferReader(data)
    with naming_damage(store, name):
        file = pq.ParquetFile(stream)
    return Part(store, name, stream, file, _metadata(store, name, file))


@contextmanager
def naming_damage(store: Store, name: str) -> Iterator[None]:
    """Turn what the Parquet reader says of a damaged file into a :class:`CorruptPart`.

    Raises:
        CorruptPart: the file is damaged.
        StorageError: the operating system could not read it.
    """
    try:
        yield
    except MemoryError:  # Arrow's is one of its exceptions; it says nothing of the file
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            with store.raising_storage_errors(name):
                raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise damaged(store, name, reason) from error


def frame(table: pa.Table) -> pl.DataFrame:
    """``table`` for polars, without a copy where that can be."""
    rows = pl.from_arrow(table)
    assert isinstance(rows, pl.DataFrame)
    return rows


def _metadata(store: Store, name: str, file: pq.ParquetFile) -> tables.PartMetadata:
    return tables.decode_metadata(file.schema_arrow, store.path(name), REPAIR)
