"""Tables that others wrote: CSV, TSV, JSON (an object a line, or a list) and Parquet.

``open_table`` says which columns there are; ``Table.batches`` reads some of them. What is no
table, or holds what no table of synpic's can hold, is refused with its line or row before anything
is written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from synpic.errors import SynpicError
from synpic.readers.arrow import Column, column_of, plain_texts
from synpic.readers.json_models import TooDeep, parse_text
from synpic.readers.text import At, decode, fault_of, lines

__all__ = [
    "ENDINGS",
    "Column",
    "OpenedTable",
    "Row",
    "TableRows",
    "columns_of",
    "open_table",
    "rows_from",
]

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
"""Of the names of files that hold tables."""

Row = Mapping[str, Any]

_ROWS = 16_384
"""Rows that are read together, of formats that can be read in pieces."""

_LONGEST_CELL = 2**31 - 1

_JSON = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string",
         list: "list"}  # fmt: skip
"""What a value of JSON is called that is no object."""

_PLAIN = (str, bool, int, float)


@dataclass(frozen=True)
class TableRows:
    """Some rows, one after another.

    Args:
        values: of CSV and JSON a list of rows, cells as they stand; of Parquet a table whose texts
            are strings in UTF-8. Neither has other columns than were asked for.
        at: the number of a row in this batch → its place, for messages.
    """

    values: list[Row] | pa.Table
    at: At

    @property
    def rows(self) -> Sequence[Row]:
        """The rows as Python values; a column that a row of JSON lacks is not in it."""
        return self.values.to_pylist() if isinstance(self.values, pa.Table) else self.values


@dataclass(frozen=True)
class OpenedTable:
    """A table whose columns are known.

    Args:
        where: the file, for messages.
        columns: every column, in order; no two of one name.
        batches: reads those that are named, all of which are there.
    """

    where: str
    columns: Mapping[str, Column]
    batches: Callable[[Sequence[str]], Iterator[TableRows]]


def open_table(stream: BinaryIO, where: str, *, error: type[SynpicError]) -> OpenedTable:
    """The table in a file, of the kind that the ending of ``where`` says.

    CSV and JSON are read whole at once; Parquet as its rows are asked for, and only the columns
    that are.

    Args:
        stream: stays open while batches are read.
        where: the file's name, with one of ``ENDINGS``.
        error: what is raised, here and while batches are read.

    Raises:
        SynpicError: an ``error``: it is no such table.
    """
    suffix = PurePosixPath(where).suffix.lower()
    if suffix == ".parquet":
        return _open_parquet(stream, where, error)
    if suffix in (".csv", ".tsv"):
        return _open_csv(stream.read(), where, error, "\t" if suffix == ".tsv" else ",")
    return _open_json(stream.read(), where, error, suffix == ".json")


def columns_of(rows: Sequence[Row], at: At, *, error: type[SynpicError]) -> dict[str, Column]:
    """Every key of ``rows``, in order of appearance; plain if all its values are.

    Raises:
        SynpicError: a key is not text, or not one that :func:`synpic.readers.text.fault_of` takes.
    """
    plain: dict[str, bool] = {}
    for number, row in enumerate(rows):
        for name, value in row.items():
            if name not in plain:
                _require_name(name, at(number), error)
                plain[name] = True
            if value is not None and not isinstance(value, _PLAIN):
                plain[name] = False
    return {name: Column(one, None if name else "has no name") for name, one in plain.items()}


def rows_from(where: str, first: int) -> At:
    """Places in a source without lines: ``owner/name: row 18`` for row 0 of a batch after 17."""
    return lambda row: f"{where}: row {first + row + 1}"


def _open_csv(data: bytes, where: str, error: type[SynpicError], delimiter: str) -> OpenedTable:
    stream = io.StringIO(decode(data, where, error=error), newline="")
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    with _reading_csv(reader, where, error):
        header = next(reader, [])
    _require_header(header, f"{where}:1", error)

    def batches(names: Sequence[str]) -> Iterator[TableRows]:
        places = {name: header.index(name) for name in names}
        begun = False
        while True:
            rows: list[Row] = []
            numbers: list[int] = []
            with _reading_csv(reader, where, error):
                start = reader.line_num + 1
                for cells in reader:
                    if cells:
                        _require_cells(cells, header, f"{where}:{start}", error)
                        rows.append({name: cells[place] for name, place in places.items()})
                        numbers.append(start)
                        if len(rows) == _ROWS:
                            break
                    start = reader.line_num + 1
            if begun and not rows:
                return
            yield TableRows(rows, _lines_at(where, numbers))
            begun = True

    columns = {name: Column(True, None if name else "has no name") for name in header}
    return OpenedTable(where, columns, batches)


@contextmanager
def _reading_csv(reader: Any, where: str, error: type[SynpicError]) -> Iterator[None]:
    """The csv module's errors with their line, and its limit of a cell, which is global, lifted."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    except csv.Error as raised:
        raise error(
            f"{where}:{reader.line_num}: not CSV: {raised}",
            hint='a cell with a comma, quote or line end is written "…", a quote in it ""',
        ) from raised
    finally:
        csv.field_size_limit(before)


def _require_header(header: Sequence[str], place: str, error: type[SynpicError]) -> None:
    if not header:
        raise error(f"{place}: no header", hint="the first line of a CSV file names its columns")
    for name in header:
        _require_name(name, place, error)
    _require_distinct(header, place, error)


def _require_distinct(names: Sequence[str], place: str, error: type[SynpicError]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise error(f"{place}: two columns {twice[0]!r:.60}", hint="rename one of them")


def _require_name(name: object, place: str, error: type[SynpicError]) -> None:
    if not isinstance(name, str):
        raise error(
            f"{place}: the key {name!r:.60} is not text", hint="keys become the names of columns"
        )
    fault = fault_of(name)
    if fault is not None:
        raise error(f"{place}: the column name {name!r:.60} has {fault.what}", hint=fault.hint)


def _require_cells(
    cells: Sequence[str], header: Sequence[str], place: str, error: type[SynpicError]
) -> None:
    if len(cells) != len(header):
        raise error(
            f"{place}: {len(cells)} cells, where the header has {len(header)}",
            hint='a text with a comma in it is written in quotes: "a cat, asleep"',
        )


def _open_json(data: bytes, where: str, error: type[SynpicError], may_be_list: bool) -> OpenedTable:
    hint = 'every line is one object: {"prompt": "a red circle"}'
    text = decode(data, where, error=error) if may_be_list else ""
    if text.lstrip().startswith("["):
        found = _parse(text, where, error, 'a list of objects: [{"prompt": "a red circle"}]')
        places = [f"{where}: item {number}" for number in range(1, len(found) + 1)]
        items = [{"prompt": one} if isinstance(one, str) else one for one in found]
    else:
        numbered = [
            (f"{where}:{number}", line)
            for number, line in enumerate(lines(data, where, error=error), start=1)
            if line.strip()
        ]
        places = [place for place, _ in numbered]
        items = [_parse(line, place, error, hint) for place, line in numbered]
    for place, item in zip(places, items, strict=True):
        if not isinstance(item, dict):
            raise error(f"{place}: a JSON {_JSON[type(item)]}, not an object", hint=hint)

    def batches(names: Sequence[str]) -> Iterator[TableRows]:
        # One batch: the type of a column is settled by all of its values.
        if items:
            wanted = set(names)
            kept = [{name: row[name] for name in row if name in wanted} for row in items]
            yield TableRows(kept, places.__getitem__)

    return OpenedTable(where, columns_of(items, places.__getitem__, error=error), batches)


def _parse(text: str, place: str, error: type[SynpicError], hint: str) -> Any:
    try:
        return parse_text(text)
    except TooDeep as raised:
        raise error(f"{place}: {raised}", hint=hint) from raised
    except ValueError as raised:
        raise error(f"{place}: not JSON: {raised}", hint=hint) from raised


def _open_parquet(stream: BinaryIO, where: str, error: type[SynpicError]) -> OpenedTable:
    with _reading_parquet(where, error):
        file = pq.ParquetFile(stream)
        schema = file.schema_arrow
    for name in schema.names:
        _require_name(name, where, error)
    _require_distinct(schema.names, where, error)

    def batches(names: Sequence[str]) -> Iterator[TableRows]:
        first = 0
        # Arrow's threads hold the stream for longer than they read it: see workspace/parts.py.
        read = file.iter_batches(_ROWS, columns=list(names), use_threads=False)
        while True:
            with _reading_parquet(where, error):
                batch = next(read, None)
            if batch is None:
                return
            at = rows_from(where, first)
            yield TableRows(plain_texts(pa.table(batch), at, error=error), at)
            first += batch.num_rows

    return OpenedTable(where, {field.name: column_of(field) for field in schema}, batches)


@contextmanager
def _reading_parquet(where: str, error: type[SynpicError]) -> Iterator[None]:
    try:
        yield
    except MemoryError:  # Arrow's is one of its exceptions; it says nothing of the file
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as raised:
        reason = (str(raised).splitlines() or [type(raised).__name__])[0]
        raise error(
            f"{where}: not Parquet, or damaged: {reason:.300}", hint="write the file again"
        ) from raised


def _lines_at(where: str, numbers: Sequence[int]) -> At:
    return lambda row: f"{where}:{numbers[row]}"
