"""Rows of a list in JSON that name the better image first: HPDv3.

Source: the card of MizzenAI/HPDv3: ``path1`` is preferred to ``path2``; ``choice_dist`` has the
votes on both. The card does not say in which order, so the larger number is that of ``path1``.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from synpic.ingest.labels.forms import COMPARED, PERSON, LabelLayout
from synpic.ingest.labels.values import numbers, refuse
from synpic.readers.text import At

__all__ = ["better_path_first"]

_VOTES = "choice_dist"


def better_path_first(images: Sequence[str], columns: Sequence[str]) -> LabelLayout | None:
    """``path1`` and ``path2``; None of others."""
    if tuple(images) != ("path1", "path2"):
        return None
    return LabelLayout("HPDv3", ["path1", *(n for n in (_VOTES,) if n in columns)], _read)


def _read(table: pa.Table, at: At) -> pl.DataFrame:
    rows = pl.DataFrame({"nth": pl.int_range(table.num_rows, eager=True)})
    made = rows.join(_voted(table, at), on="nth", how="left", maintain_order="left")
    whole = (pl.col("total") == pl.col("total").floor()) & pl.col("total").is_between(2, 1 << 30)
    return made.select(
        nth="nth",
        left=pl.lit(0),
        right=pl.lit(1),
        share=pl.coalesce(pl.col("most") / pl.col("total"), pl.lit(1.0)),
        question=pl.lit("overall"),
        n=pl.when(whole).then("total"),
        rater=pl.lit(None),
        kind=pl.lit(PERSON),
        group=pl.lit(None),
    ).cast(COMPARED)  # type: ignore[arg-type]


def _voted(table: pa.Table, at: At) -> pl.DataFrame:
    """``most`` and ``total`` of the rows that have votes."""
    schema = {"nth": pl.Int64, "most": pl.Float64, "total": pl.Float64}
    if _VOTES not in table.column_names:
        return pl.DataFrame(schema=schema)
    column = table.column(_VOTES).combine_chunks()
    if pa.types.is_null(column.type):
        return pl.DataFrame(schema=schema)
    expected = "two numbers of votes"
    if not pa.types.is_list(column.type):
        refuse(at(0), {_VOTES: column[0].as_py()}, expected)
    nth = pl.Series(pl.from_arrow(pc.list_parent_indices(column))).cast(pl.Int64)
    flat = pa.table({_VOTES: pc.list_flatten(column)})
    values = numbers(flat, _VOTES, lambda number: at(nth[number] if nth.len() else 0))
    cells = (
        pl.DataFrame({"nth": nth, "value": values})
        .group_by("nth", maintain_order=True)
        .agg(
            most=pl.col("value").max(),
            total=pl.col("value").sum(),
            sound=(pl.len() == 2) & pl.col("value").is_between(0, 1 << 30).all(ignore_nulls=False),
        )
    )
    wrong = cells.filter(~pl.col("sound").fill_null(False))
    if wrong.height:
        row = wrong["nth"][0]
        refuse(at(row), {_VOTES: column[row].as_py()}, expected)
    return cells.filter(pl.col("total") > 0).select(*schema)
