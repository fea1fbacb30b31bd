"""The columns of a dataset → one table of rankings, whatever they are called there.

Two layouts are known, and recognised by their columns alone: rankings as synpic publishes them, and
pairs in the columns of Pick-a-Pic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from synpic.errors import TrainingError
from synpic.readers.display import count

__all__ = ["SCORE", "RankingsLayout", "find_layout"]

SCORE = "score_"

_RANKED = ("prompt", "image_0", "preference", "rank")
_PICKAPIC = ("caption", "jpg_0", "jpg_1", "label_0")


@dataclass(frozen=True)
class RankingsLayout:
    """How a dataset has rankings.

    Args:
        images: its columns of images, in the order of ``images`` of the table.
        small: the other columns that are read.
        table: these columns and a name of what they are of, for messages → the table of
            :class:`synpic.train.data.records.TrainingRecords`.
    """

    images: tuple[str, ...]
    small: tuple[str, ...]
    table: Callable[[pl.DataFrame, str], pl.DataFrame]


def find_layout(columns: Sequence[str], name: str) -> RankingsLayout:
    """The layout that ``columns`` of the dataset ``name`` are.

    Raises:
        TrainingError: they are none.
    """
    if set(_RANKED) <= set(columns):
        images = [f"image_{n}" for n in range(len(columns)) if f"image_{n}" in columns]
        scores = [one for one in columns if one.startswith(SCORE)]
        small = ("prompt", "preference", "rank", *scores)
        return RankingsLayout(
            tuple(images), small, lambda rows, what: _rankings(rows, what, len(images))
        )
    if set(_PICKAPIC) <= set(columns):
        labels = [one for one in ("label_0", "label_1", "has_label") if one in columns]
        return RankingsLayout(("jpg_0", "jpg_1"), ("caption", *labels), _pairs)
    if not columns:
        raise TrainingError(
            f"{name}: it has no table, or one without columns",
            hint="`synpic verify` says what a release lacks; or name another with data.dataset",
        )
    raise TrainingError(
        f"{name}: its columns are neither rankings ({', '.join(_RANKED)} …) nor pairs "
        f"({', '.join(_PICKAPIC)})",
        hint=f"it has: {', '.join(columns)}; data.config names another of its tables, and "
        "`synpic score --dataset` ranks images of other layouts",
    )


def _rankings(rows: pl.DataFrame, what: str, most: int) -> pl.DataFrame:
    for name in rows.columns:
        kind = rows.schema[name]
        if name != "prompt" and not (isinstance(kind, pl.List) and kind.inner.is_numeric()):
            raise _other_type(name, kind, what, "a list of numbers")
    size = pl.col("preference").list.len()
    lists = [name for name in rows.columns if name != "prompt"]
    equal = pl.all_horizontal(pl.col(lists).list.len() == size) & (size <= most)
    _require(rows, equal, what, "lists of other lengths than it has images")
    _require(rows, size >= 2, what, "fewer than two images, which is no ranking")
    for name in ("preference", "rank"):
        value = pl.element().cast(pl.Float64)
        known = pl.col(name).list.eval(value.is_not_null() & value.is_not_nan()).list.all()
        _require(rows, known, what, f"an image without {name}")
    return _shaped(rows.with_columns(images=pl.int_ranges(size), key="prompt"), what)


def _pairs(rows: pl.DataFrame, what: str) -> pl.DataFrame:
    """φ of a labelled pair is 1 and 0; both are ½ in a tie, and without a label.

    A label that is null or NaN is none; so is 0 and 0, unless ``has_label`` says that there is one.
    """
    for name in rows.columns:
        kind = rows.schema[name]
        if name.startswith("label_") and not kind.is_numeric():
            raise _other_type(name, kind, what, "a number, 1 where it is preferred")
    first = pl.col("label_0").cast(pl.Float64).fill_nan(None)
    two = "label_1" in rows.columns
    second = pl.col("label_1").cast(pl.Float64).fill_nan(None) if two else 1 - first
    labelled = first.is_not_null() & second.is_not_null()
    if "has_label" in rows.columns:
        labelled &= pl.col("has_label").fill_null(False)
    else:
        labelled &= (first != 0) | (second != 0)
    for name, side in (("label_0", first), ("label_1", second))[: 1 + two]:
        share = ~labelled | side.is_between(0, 1)
        _require(rows, share, what, f"a {name} that is no share, 0 … 1", name)
    agree = ~labelled | ((first - 0.5) * (second - 0.5) <= 0)
    otherwise = "a label_0 and a label_1 that contradict each other"
    _require(rows, agree, what, otherwise, "label_0", "label_1")
    sides = [pl.when(labelled).then(side).otherwise(0.5) for side in (first, second)]
    ranks = [1 + (sides[n] < sides[1 - n]).cast(pl.Int32) for n in range(2)]
    numbered = rows.with_row_index("row")
    return _shaped(
        numbered.select(
            # Many pairs are of one prompt.
            pl.format("{}:{}", "row", "caption").alias("key"),
            pl.col("caption").alias("prompt"),
            pl.concat_list(pl.lit(0), pl.lit(1)).alias("images"),
            pl.concat_list(sides).alias("preference"),
            pl.concat_list(ranks).alias("rank"),
        ),
        what,
    )


def _shaped(rows: pl.DataFrame, what: str) -> pl.DataFrame:
    if rows.schema["prompt"] != pl.String:
        raise _other_type("prompt", rows.schema["prompt"], what, "text")
    _require(rows, pl.col("prompt").is_not_null(), what, "no prompt")
    return rows.with_row_index("row").select(
        pl.col("row").cast(pl.Int64),
        "key",
        "prompt",
        pl.col("images").cast(pl.List(pl.Int32)),
        pl.col("preference").cast(pl.List(pl.Float64)),
        pl.col("rank").cast(pl.List(pl.Int32)),
        *(name for name in rows.columns if name.startswith(SCORE)),
    )


def _other_type(name: str, kind: pl.DataType, what: str, wanted: str) -> TrainingError:
    return TrainingError(
        f"{what}: column {name!r} is {kind}, and should be {wanted}",
        hint="data.config names another of its tables",
    )


def _require(rows: pl.DataFrame, holds: pl.Expr, what: str, otherwise: str, *shown: str) -> None:
    """Refuse ``rows`` where there is one of which ``holds`` is not true.

    Args:
        shown: columns whose values in the first such row the message has.
    """
    broken = rows.with_row_index("row").filter(~holds.fill_null(False))
    if not broken.is_empty():
        values = " and ".join(f"{broken[name][0]:g}" for name in shown)
        raise TrainingError(
            f"{what}: row {broken['row'][0]} has {otherwise}{values and f': {values}'} "
            f"({count(broken.height, 'such row')})",
            hint="`synpic verify` checks a release; publish it again, or take another split",
        )
