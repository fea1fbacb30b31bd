"""Prompts in a column: CSV, JSONL and Parquet files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from synpic.errors import PromptError
from synpic.prompts.columns import arrange, choose, is_scalar, scalars_of, table_of
from synpic.prompts.source import rows_from
from synpic.prompts.text import decode, lines

__all__ = ["read_csv", "read_jsonl", "read_parquet"]

_LONGEST_CELL = 2**31 - 1
_PARQUET_ROWS = 16_384


def read_csv(
    data: bytes, where: str, column: str | None, keep: Sequence[str] | None
) -> Iterator[pa.Table]:
    """One table of a CSV file with a header; every cell is text, as it stands.

    Raises:
        PromptError: it is no such file, or lacks a column.
    """
    stream = io.StringIO(decode(data, where), newline="")
    reader = csv.reader(stream, strict=True)
    rows: list[dict[str, str]] = []
    numbers: list[int] = []
    with _long_cells():
        try:
            header = next(reader, [])
            _check_header(header, where)
            start = reader.line_num + 1
            for cells in reader:
                if cells:
                    _check_cells(cells, header, f"{where}:{start}")
                    rows.append(dict(zip(header, cells, strict=True)))
                    numbers.append(start)
                start = reader.line_num + 1
        except csv.Error as error:
            raise PromptError(
                f"{where}:{reader.line_num}: not CSV: {error}",
                hint='a cell with a comma, quote or line end is written "…", a quote in it ""',
            ) from error
    columns = choose(dict.fromkeys(header, True), column, keep, where)
    yield table_of(rows, columns, where, lambda row: f"{where}:{numbers[row]}")


def read_jsonl(
    data: bytes, where: str, column: str | None, keep: Sequence[str] | None
) -> Iterator[pa.Table]:
    """One table of a file with a JSON object a line; blank lines are passed over.

    Raises:
        PromptError: naming the line that is no object, or whose prompt is not text.
    """
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines(data, where), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PromptError(
                f"{where}:{number}: not JSON: {error}",
                hint='every line is one object: {"prompt": "a red circle"}',
            ) from error
        if not isinstance(row, dict):
            raise PromptError(
                f"{where}:{number}: a JSON {type(row).__name__}, not an object",
                hint='every line is one object: {"prompt": "a red circle"}',
            )
        rows.append(row)
        numbers.append(number)

    def at(row: int) -> str:
        return f"{where}:{numbers[row]}"

    if rows:
        columns = choose(scalars_of(rows, at), column, keep, where)
        yield table_of(rows, columns, where, at)


def read_parquet(
    stream: BinaryIO, where: str, column: str | None, keep: Sequence[str] | None
) -> Iterator[pa.Table]:
    """Tables of a Parquet file; columns that are not kept are not read.

    Raises:
        PromptError: it is damaged, or lacks a column of text.
    """
    try:
        file = pq.ParquetFile(stream)
        scalar = {field.name: is_scalar(field.type) for field in file.schema_arrow}
        columns = choose(scalar, column, keep, where)
        first = 0
        for batch in file.iter_batches(_PARQUET_ROWS, columns=columns.names):
            yield arrange(pa.table(batch), columns, where, rows_from(where, first))
            first += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PromptError(
            f"{where}: not Parquet, or damaged: {reason}", hint="write the file again"
        ) from error


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lift the csv module's limit of 128 KiB a cell, which is global, for a while."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check_header(header: Sequence[str], where: str) -> None:
    if not header:
        raise PromptError(
            f"{where}:1: no header", hint="the first line of a CSV file names its columns"
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise PromptError(f"{where}:1: two columns {twice[0]!r}", hint="rename one of them")


def _check_cells(cells: Sequence[str], header: Sequence[str], place: str) -> None:
    if len(cells) != len(header):
        raise PromptError(
            f"{place}: {len(cells)} cells, where the header has {len(header)}",
            hint='a prompt with a comma in it is written in quotes: "a cat, asleep"',
        )
