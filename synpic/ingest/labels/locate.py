"""Which images of a source are compared: rows and places in them → numbers of what was found."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synpic.errors import IngestError
from synpic.ingest.labels.forms import LOCATED, FoundLabels, LabelLayout
from synpic.ingest.labels.values import NO_LABELS
from synpic.readers.display import count
from synpic.readers.text import At

__all__ = ["found_labels", "locate"]

_SEVERAL = "\0"
"""In the place of a rater, where there are several: no name has a NUL."""

_MOST = 1_000
"""Images of a list: it has half a million pairs."""


def locate(
    read: pl.DataFrame, layout: LabelLayout, images: pl.DataFrame, first: int, at: At
) -> pl.DataFrame:
    """What was read of a file, with the numbers of its images in what was found.

    Labels of images that are not in ``images`` are left out: ``count`` cuts some off.

    Args:
        read: rows of ``COMPARED``; of ``RATED`` where the layout is.
        images: ``nth``, ``which`` and ``number``.
        first: the number of the file's first row in the source.
        at: the place of a row in the file.

    Returns:
        Rows of ``LOCATED``; or those of ``RATED`` with ``number`` and ``row``, and the list's name
        as ``group``.

    Raises:
        IngestError: a list has more or fewer values than images; with the row.
    """
    if not layout.rated:
        for side in ("left", "right"):
            number = images.rename({"which": side, "number": f"{side}_number"})
            read = read.join(number, on=["nth", side], how="inner", maintain_order="left")
        rows = read.with_columns(row=pl.col("nth") + first)
        named = rows.drop("left", "right").rename({"left_number": "left", "right_number": "right"})
        return named.select(*LOCATED).cast(LOCATED)  # type: ignore[arg-type]
    _require_lengths(read, images, at)
    row = pl.col("nth") + first
    return read.join(images, on=["nth", "which"], how="inner", maintain_order="left").with_columns(
        row=row, group=pl.coalesce("list", row.cast(pl.String))
    )


def found_labels(layout: LabelLayout, pieces: Sequence[pl.DataFrame]) -> FoundLabels | None:
    """The labels of a source, of what :func:`locate` gave for each file; None if there are none."""
    if not pieces:
        return None
    rows = pl.concat(pieces)
    rows = _pairs(rows) if layout.rated else rows
    return FoundLabels(layout.name, rows) if rows.height else None


def _require_lengths(read: pl.DataFrame, images: pl.DataFrame, at: At) -> None:
    """Hold each list to the number of images of its row."""
    there = images.group_by("nth").len("images")
    lists = read.group_by("nth", "column", "rater").len("values")
    both = lists.join(there, on="nth", how="inner").sort("nth", "column", "rater")
    wrong = both.filter(pl.col("images") != pl.col("values"))
    if wrong.height:
        row = wrong.row(0, named=True)
        raise IngestError(
            f"{at(row['nth'])}: column {row['column']!r} is of {count(row['values'], 'image')}, "
            f"where the row has {count(row['images'], 'image')}",
            hint=NO_LABELS,
        )


def _pairs(rated: pl.DataFrame) -> pl.DataFrame:
    """The pairs of each list: k (k − 1) / 2 of k images with a value, the earlier on the left."""
    keys = ["group", "question", "rater"]
    # Null, for several raters, is no value that a join finds.
    known = rated.drop_nulls("value").with_columns(pl.col("rater").fill_null(_SEVERAL))
    longest = known.group_by(keys).len().sort("len", "group").tail(1)
    for name, *_, number in longest.iter_rows():
        if number > _MOST:
            raise IngestError(
                f"the list {name!r:.60} ranks {count(number, 'image')}, where at most {_MOST:,} "
                "are compared with each other",
                hint=NO_LABELS,
            )
    other = known.select(*keys, right="number", other="value")
    pairs = known.join(other, on=keys, how="inner", maintain_order="left_right")
    mine, theirs = pl.col("value"), pl.col("other")
    share = pl.when(mine > theirs).then(1.0).when(mine < theirs).then(0.0).otherwise(0.5)
    found = pairs.filter(pl.col("number") < pl.col("right")).with_columns(
        left="number",
        share=share,
        rater=pl.when(pl.col("rater") != _SEVERAL).then("rater"),
    )
    rows = found.select(*LOCATED).cast(LOCATED)  # type: ignore[arg-type]
    return rows.sort("row", "left", "right", maintain_order=True)
