"""Rows of a table of images → a row for each image, in the columns of ``FOUND``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from synpic.errors import IngestError
from synpic.ingest.captions import caption_problem
from synpic.ingest.columns import ImageColumns
from synpic.ingest.meta import kept_values
from synpic.ingest.rows import TableFile
from synpic.readers.arrow import plain_texts
from synpic.readers.tables import rows_from
from synpic.workspace.parts import frame

__all__ = ["unfold"]

_NULL = pl.lit(None, pl.String)


def unfold(
    file: TableFile, name: str, columns: ImageColumns, where: str, held: str
) -> pl.DataFrame:
    """The images of one file, those of one row beside each other; ``nth`` is their row in it.

    Args:
        name: of the file; ``where``: of the dataset, for messages.
        held: what the dataset is known by: without an id an image is its place, and a place is one
            only there.

    Raises:
        KeyError: a column is not in it.
        IngestError: a text is not UTF-8.
    """
    rows = _small(file, columns, f"{where}: {name}").hstack(_places(file, columns))
    for column, leaf in columns.lists.items():
        lengths = pc.list_value_length(file.read(columns=[leaf]).column(0))
        rows = rows.with_columns(pl.Series(f"_{column}_length", lengths.to_pylist(), pl.Int32))
    sides = [
        _side(rows, number, column, leaf, columns, name, held)
        for number, (column, leaf) in enumerate(columns.images.items())
    ]
    both = pl.concat(sides).sort("nth", "side", "element", maintain_order=True)
    problems = [caption_problem(text) for text in both["prompt"]]
    return both.with_columns(
        problem=pl.Series(problems, dtype=pl.String),
        label=pl.when(pl.col("label") != "").then("label"),
    ).with_columns(prompt=pl.when(pl.col("problem").is_null()).then("prompt"))


def _side(
    rows: pl.DataFrame,
    number: int,
    column: str,
    leaf: str,
    columns: ImageColumns,
    name: str,
    held: str,
) -> pl.DataFrame:
    """The images of one column."""
    place = pl.format("{}#{}.{}:{}", pl.lit(name), "_group", "_row", pl.lit(column))
    if column in columns.lists:
        element = pl.int_ranges(0, pl.col(f"_{column}_length").fill_null(0), dtype=pl.Int32)
        rows = rows.with_columns(_element=element).explode("_element").drop_nulls("_element")
        place = pl.format("{}[{}]", place, "_element")
        which: pl.Expr = pl.col("_element")
    else:
        rows = rows.with_columns(_element=pl.lit(None, pl.Int32))
        which = pl.lit(number, pl.Int32)

    def of(named: Mapping[str, str]) -> pl.Expr:
        if column not in named:
            return _NULL
        value = pl.col(named[column])
        listed = isinstance(rows.schema[named[column]], pl.List)
        return value.list.get(which, null_on_oob=True) if listed else value

    key = of(columns.keys)
    return rows.select(
        pl.coalesce(pl.format("id:{}", key), pl.format("{}:{}", pl.lit(held), place)).alias("key"),
        of(columns.prompts).alias("prompt"),
        of(columns.models).alias("label"),
        pl.coalesce(key, place).alias("place"),
        pl.lit(name).alias("file"),
        pl.col("_group").alias("group"),
        pl.col("_row").alias("row"),
        pl.lit(leaf).alias("column"),
        pl.col("_bytes").alias("bytes"),
        _NULL.alias("stamp"),
        pl.col("_element").alias("element"),
        pl.col("_meta").alias("meta"),
        pl.lit(number).alias("side"),
        pl.col("_nth").alias("nth"),
    )


def _small(file: TableFile, columns: ImageColumns, place: str) -> pl.DataFrame:
    """The columns without pixels, as strings or lists of them; and what is kept."""
    table = file.read(columns=list(dict.fromkeys([*columns.small, *columns.keep])))
    at = rows_from(place, 0)
    made: dict[str, pl.Series] = {}
    for name in columns.small:
        column = table.column(name)
        if _lists(column.type):
            made[name] = _dealt(column, name, at)
            continue
        texts = pa.table({name: column.cast(pa.string())})
        made[name] = frame(plain_texts(texts, at, error=IngestError))[name]
    meta: Sequence[str | None] = [None] * table.num_rows
    if columns.keep:
        kept = plain_texts(table.select(list(columns.keep)), at, error=IngestError)
        meta = [kept_values(row, columns.keep) for row in kept.to_pylist()]
    made["_meta"] = pl.Series(meta, dtype=pl.String)
    return pl.DataFrame(made)


def _lists(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _dealt(column: Any, name: str, at: Any) -> pl.Series:
    """A column of lists, as lists of strings."""
    strings = column.cast(pa.large_list(pa.string()))
    flat = pa.table({name: pc.list_flatten(strings)})
    plain_texts(flat, lambda _: at(0).rpartition(": row")[0], error=IngestError)
    return frame(pa.table({name: strings}))[name]


def _places(file: TableFile, columns: ImageColumns) -> pl.DataFrame:
    """Where each row lies: its row group, its row in it, about how many bytes an image has."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    places = [
        (number, row, size)
        for number, group in enumerate(groups)
        for size in [_mean_bytes(group, columns)]
        for row in range(group.num_rows)
    ]
    schema = {"_group": pl.Int32, "_row": pl.Int64, "_bytes": pl.Int64}
    return pl.DataFrame(places, schema=schema, orient="row").with_row_index("_nth")


def _mean_bytes(group: Any, columns: ImageColumns) -> int:
    """About how many bytes an image of a row group takes."""
    paths = {*columns.images.values(), *columns.images}
    chunks = [group.column(number) for number in range(group.num_columns)]
    held = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema in paths)
    return int(held // max(1, group.num_rows * len(columns.images)))
