"""Folders that ``save_to_disk`` of ``datasets`` wrote: streams of Arrow, read as Parquet is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from synpic.errors import IngestError
from synpic.hub.names import is_inner_path
from synpic.readers.json_models import parse_json

__all__ = ["ArrowFile", "is_saved", "saved_files"]

_SPLITS = "dataset_dict.json"
_STATE = "state.json"
_AGAIN = "save the dataset again, with save_to_disk"


def is_saved(folder: Path) -> bool:
    """Whether ``save_to_disk`` wrote this folder."""
    return (folder / _SPLITS).is_file() or (folder / _STATE).is_file()


def saved_files(folder: Path, split: str, where: str) -> list[str]:
    """The files of a split, below ``folder``, in order.

    A ``Dataset`` whose split has no name is the split that is asked for.

    Raises:
        IngestError: there is no such split, or what lists the files is damaged.
    """
    below = folder
    if (folder / _SPLITS).is_file():
        splits = _read(folder / _SPLITS, where, "splits")
        if not all(map(is_inner_path, splits)):
            raise IngestError(f"{where}: {_SPLITS}: splits: names no folder", hint=_AGAIN)
        _require_split(split, splits, where)
        below = folder / split
    names = [
        one.get("filename") if isinstance(one, dict) else None
        for one in _read(below / _STATE, where, "_data_files")
    ]
    for name in names:
        if name is None:
            raise IngestError(
                f"{where}: {_STATE}: _data_files: filename is missing from one of them",
                hint=_AGAIN,
            )
        if not is_inner_path(name) or not _is_file(below / name):
            raise IngestError(
                f"{where}: {_STATE}: _data_files: filename: {name!r:.100} is no file of this "
                "folder",
                hint=_AGAIN,
            )
    if below == folder:
        named = _json(below / _STATE, where).get("_split")
        _require_split(split, [named or split], where)
    return [(below / str(name)).relative_to(folder).as_posix() for name in names]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long
        return False


def _require_split(split: str, there: Sequence[Any], where: str) -> None:
    if split not in there:
        raise IngestError(
            f"{where}: there is no split {split!r}",
            hint=f"it has: {', '.join(map(str, there))}; name one: split in [ingest], or --split",
        )


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IngestError(
            f"{where}: {path.name} cannot be read: {error.strerror}", hint=_AGAIN
        ) from error
    found = parse_json(data, f"{where}: {path.name}", error=IngestError, hint=_AGAIN)
    if not isinstance(found, dict):
        raise IngestError(f"{where}: {path.name}: key: holds no JSON object", hint=_AGAIN)
    return found


def _read(path: Path, where: str, key: str) -> list[Any]:
    found = _json(path, where).get(key)
    if not isinstance(found, list) or not found:
        raise IngestError(f"{where}: {path.name}: {key}: is no list", hint=_AGAIN)
    return found


@dataclass(frozen=True)
class _Chunk:
    path_in_schema: str
    total_uncompressed_size: int


@dataclass(frozen=True)
class _Group:
    """What a Parquet footer says of a row group, of a batch."""

    chunks: Sequence[_Chunk]
    num_rows: int

    @property
    def num_columns(self) -> int:
        return len(self.chunks)

    def column(self, number: int) -> _Chunk:
        return self.chunks[number]


class ArrowFile:
    """A stream of Arrow, mapped into memory: as much of ``pq.ParquetFile`` as ingest asks for.

    A batch is a row group. What is read of it is validated, so that damaged offsets end in an
    error and not in the memory of others.

    Raises:
        pa.ArrowException, OSError: it is no such file, or damaged.
    """

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            self.schema_arrow: pa.Schema = reader.schema
            self._batches = list(reader)

    @property
    def num_row_groups(self) -> int:
        """Batches."""
        return len(self._batches)

    @property
    def metadata(self) -> ArrowFile:
        """Itself: a stream has no footer."""
        return self

    def row_group(self, number: int) -> _Group:
        """About one batch: its images are counted by the bytes of their column."""
        batch = self._batches[number]
        names = zip(batch.schema.names, batch.columns, strict=True)
        return _Group([_Chunk(name, column.nbytes) for name, column in names], batch.num_rows)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all batches, by their own names."""
        picked = [self._picked(batch, columns) for batch in self._batches]
        return pa.Table.from_batches(picked, self._picked_schema(columns))

    def iter_batches(
        self, size: int, *, row_groups: Sequence[int], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """Batches of some row groups, in pieces of ``size`` rows."""
        for number in row_groups:
            batch = self._picked(self._batches[number], columns)
            for start in range(0, batch.num_rows, size):
                yield batch.slice(start, size)

    def close(self) -> None:
        """The map is let go of with the batches."""
        self._batches = []

    def _picked(self, batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
        picked = batch.select(self._picked_schema(columns).names)
        picked.validate(full=True)
        return picked

    def _picked_schema(self, columns: Sequence[str]) -> pa.Schema:
        names = self.schema_arrow.names
        wanted = dict.fromkeys(top_column(one, names) for one in columns)
        return pa.schema([self.schema_arrow.field(name) for name in wanted])


def top_column(leaf: str, names: Sequence[str]) -> str:
    """The column in which a leaf lies: ``image`` of ``image.bytes``.

    Raises:
        KeyError: none of ``names``.
    """
    found = [name for name in names if leaf == name or leaf.startswith(f"{name}.")]
    if not found:
        raise KeyError(leaf)
    return max(found, key=len)
