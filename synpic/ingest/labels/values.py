"""Columns of labels, checked: numbers, counts, names. What cannot be one is refused by its row."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from synpic.errors import IngestError
from synpic.readers.arrow import column_of, plain_texts
from synpic.readers.text import At

__all__ = [
    "NO_LABELS",
    "column_of_rows",
    "counts",
    "names",
    "numbers",
    "refuse",
    "require",
    "source_of",
]

NO_LABELS = (
    "mend the rows; or read no labels: labels = false in [ingest], or --no-labels of `synpic score`"
)

_MOST_VOTES = 1 << 30
"""Of one image: the sum of two fits 32 bits."""


def numbers(table: pa.Table, name: str, at: At) -> pl.Series:
    """A column of numbers or booleans, as Float64; a null or NaN is null.

    Raises:
        KeyError: there is no such column.
        IngestError: it holds something else.
    """
    column = table.column(name)
    kind, types = column.type, pa.types
    if not (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    ):
        raise IngestError(
            f"{source_of(at)}: column {name!r} is {kind}, and labels in it are numbers",
            hint=NO_LABELS,
        )
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    found = pl.Series(name, pl.from_arrow(column.cast(pa.float64(), safe=False)))
    return found.fill_nan(None)


def counts(table: pa.Table, name: str, at: At) -> pl.Series:
    """A column of votes, as Float64: whole numbers from 0, or null.

    Raises:
        As :func:`numbers`; and IngestError for the first row that holds no count.
    """
    found = numbers(table, name, at)
    is_count = (found >= 0) & (found == found.floor()) & (found <= _MOST_VOTES)
    require(is_count | found.is_null(), [found], at, "a number of votes: 0, 1, 2 …")
    return found


def names(table: pa.Table, name: str, at: At) -> pl.Series:
    """A column of names or numbers of people and lists, as texts; all null where there is none.

    Raises:
        IngestError: it holds something else, or what is not UTF-8.
    """
    if name not in table.column_names:
        return pl.Series(name, [None] * table.num_rows, pl.String)
    field = table.schema.field(name)
    known = column_of(field)
    if not known.plain or known.problem is not None:
        raise IngestError(
            f"{source_of(at)}: column {name!r} is {field.type}, not one name or number a row",
            hint=NO_LABELS,
        )
    texts = pa.table({name: table.column(name).cast(pa.string())})
    return pl.Series(name, pl.from_arrow(plain_texts(texts, at, error=IngestError).column(0)))


def require(holds: pl.Series, shown: Sequence[pl.Series], at: At, expected: str) -> None:
    """Refuse the first row for which ``holds`` is not true.

    Args:
        shown: the columns at fault, with their values.
        expected: what they should be.

    Raises:
        IngestError: with the row, the names and the values.
    """
    wrong = (~holds.fill_null(False)).arg_true()
    if wrong.len():
        row = wrong[0]
        refuse(at(row), {one.name: one[row] for one in shown}, expected)


def refuse(place: str, values: dict[str, object], expected: str) -> None:
    """Refuse a row.

    Raises:
        IngestError: always.
    """
    found = " and ".join(
        f"{name!r} is {f'{value:g}' if isinstance(value, float) else repr(value)}"[:120]
        for name, value in values.items()
    )
    what = f"column {found}" if len(values) == 1 else f"columns {found}"
    raise IngestError(f"{place}: {what}; expected {expected}", hint=NO_LABELS)


def source_of(at: At) -> str:
    """What rows are of, without the row."""
    return at(0).rpartition(": row")[0] or at(0)


def column_of_rows(rows: Sequence[Mapping[str, Any]], name: str, at: At) -> pa.Array:
    """One key of all rows, as a column.

    Raises:
        IngestError: its values are of several types.
    """
    values = [row.get(name) for row in rows]

    def fails(until: int) -> bool:
        try:
            pa.array(values[:until])
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return True
        return False

    if fails(len(values)):
        row = bisect_left(range(len(values) + 1), True, key=fails) - 1
        refuse(at(row), {name: values[row]}, "numbers, alone or in lists, as the rows before it")
    return pa.array(values)
