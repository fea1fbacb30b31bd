"""Columns of Arrow tables that others wrote: which are plain, which can be held, their texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from synpic.errors import SynpicError
from synpic.readers.text import LONGEST, At, Fault, fault_of

__all__ = ["Column", "column_of", "faults_of", "integers", "is_text", "plain_texts", "texts"]

_OFFSET = re.compile(r"[+-]\d\d:?\d\d|Z")


def texts(values: Sequence[str | None]) -> pa.Array:
    """``values`` as an array of strings.

    ``pa.array`` makes the same, and imports pandas first, to see whether they are pandas': half a
    second of a command that takes one.
    """
    return pl.Series(values, dtype=pl.String).to_arrow().cast(pa.string())


def integers(values: Sequence[int]) -> pa.Array:
    """``values`` as an array of int64; see :func:`texts`."""
    return pl.Series(values, dtype=pl.Int64).to_arrow()


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        plain: it holds one text, number, truth or time a row.
        problem: why it cannot be kept, where it is plain: ``is decimal256(76, 2): …``.
    """

    plain: bool
    problem: str | None = None


def column_of(field: pa.Field) -> Column:
    """What is known of a column from its type and name."""
    if not _is_plain(field.type):
        return Column(False)
    return Column(True, _unheld(_held(field.type)) if field.name else "has no name")


def is_text(kind: pa.DataType) -> bool:
    """Whether this is a type of text, in whatever layout."""
    types = pa.types
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def plain_texts(table: pa.Table, at: At, *, error: type[SynpicError]) -> pa.Table:
    """``table`` with every column of text, and of nothing but nulls, as strings in UTF-8.

    Times at a fixed offset become times of UTC.

    Raises:
        SynpicError: an ``error`` that names the first row that is not UTF-8.
    """
    for number, field in enumerate(table.schema):
        column = table.column(number)
        if is_text(field.type) or pa.types.is_null(field.type):
            column = _strings(column, field.name, at, error)
        elif _held(field.type) != field.type:
            column = column.cast(_held(field.type))
        table = table.set_column(number, field.name, column)
    return table


def faults_of(column: pa.ChunkedArray) -> list[tuple[int, Fault]]:
    """The rows of a column of strings whose texts are refused, and why."""
    values = pl.from_arrow(column)
    assert isinstance(values, pl.Series)
    suspicious = values.str.len_bytes() > LONGEST
    for sign in ("\0", "\ufeff"):
        suspicious |= values.str.contains(sign, literal=True)
    found = ((row, fault_of(values[row])) for row in suspicious.fill_null(False).arg_true())
    return [(row, fault) for row, fault in found if fault is not None]


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    return bool(
        is_text(kind)
        or types.is_null(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_temporal(kind)
    )


def _held(kind: pa.DataType) -> pa.DataType:
    """The type as which a column is kept: of time zones only those with a name are."""
    if pa.types.is_timestamp(kind) and kind.tz and _OFFSET.fullmatch(kind.tz):
        return pa.timestamp(kind.unit, "UTC")
    return kind


def _unheld(kind: pa.DataType) -> str | None:
    """Why polars, by which tables are ranked and published, cannot hold columns of this type."""
    # These make polars panic, which prints a trace of Rust before anything can catch it.
    if pa.types.is_decimal256(kind):
        return f"is {kind}: decimals have at most 38 digits, in 128 bits"
    if pa.types.is_interval(kind):
        return f"is {kind}, which no table of synpic can hold"
    try:
        # Of a table without rows it would panic over a time zone, too.
        pl.from_arrow(pa.table({"column": pa.nulls(1, kind)}))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return f"is {kind}: {(str(error).splitlines() or [''])[0]:.200}"
    return None


def _strings(
    column: pa.ChunkedArray, name: str, at: At, error: type[SynpicError]
) -> pa.ChunkedArray:
    strings = column.cast(pa.string())
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid as raised:
        row = _first_not_utf8(strings.cast(pa.binary()).to_pylist())
        raise error(
            f"{at(row)}: {name!r:.60} is not UTF-8", hint="write the text again as UTF-8"
        ) from raised
    return strings


def _first_not_utf8(values: Sequence[bytes | None]) -> int:
    for row, value in enumerate(values):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return row
    return 0
