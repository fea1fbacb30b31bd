"""Rows with two images, one of which is labelled as the better: Pick-a-Pic; chosen and rejected.

Sources: the columns of yuvalkirstain/pickapic_v2, of which ``label_0`` and ``label_1`` are 1, 0 or
0.5 and ``has_label`` tells whether somebody labelled the pair; the columns of
open-image-preferences-v1-binarized, and of the configs `pairwise` and `pickapic` of this tool.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from synpic.errors import IngestError, did_you_mean
from synpic.ingest.labels.forms import COMPARED, PERSON, REWARD, LabelLayout
from synpic.ingest.labels.values import names, numbers, require, source_of
from synpic.readers.text import At

__all__ = ["BETTER_AND_WORSE", "better_and_worse", "two_labels"]

BETTER_AND_WORSE = (("chosen", "rejected"), ("img_better", "img_worse"))
"""Columns of images whose names are labels: those of ImageRewardDB's pairs, too."""

_KINDS = {"rewards": REWARD, "people": PERSON}

_SURE = 1e-6
"""How far two labels may be from 1 together: 1/3 and 2/3 may be of 32 bits."""


def two_labels(
    images: Sequence[str], columns: Sequence[str], of: str | None = None
) -> LabelLayout | None:
    """``label_0`` and ``label_1`` of two images, as Pick-a-Pic has them; None of others.

    Args:
        of: the column of images whose share ``label_0`` is; None: the one with a 0 in its name.
    """
    if len(images) != 2 or "label_0" not in columns:
        return None
    also = ("label_1", "has_label", "user_id", "ranking_id", "created_at")
    wanted = ["label_0", *(name for name in also if name in columns)]
    left = _numbered_0(images) if of is None else (*images, of).index(of)

    def read(table: pa.Table, at: At) -> pl.DataFrame:
        if left == len(images):
            raise IngestError(
                f"{source_of(at)}: label_0 = {of!r} in [ingest] names no column of images."
                f"{did_you_mean(str(of), images)}",
                hint=f"columns of images: {', '.join(images)}",
            )
        if left is None:
            both = " or ".join(map(repr, images))
            raise IngestError(
                f"{source_of(at)}: column 'label_0' may be of {both}: their names do not say which "
                "of them is 0, and which is 1",
                hint=f"say of which of them it is: label_0 = {images[0]!r} in [ingest], or "
                f"--label-0 {images[0]} of `synpic score`; or read no labels: labels = false, or "
                "--no-labels",
            )
        return _read_labels(table, at, left)

    return LabelLayout("Pick-a-Pic", wanted, read)


def _numbered_0(images: Sequence[str]) -> int | None:
    """Which of two columns has the number 0 in its name, where the other one has a 1.

    Columns of images stand in any order: ``jpg_1`` and ``jpg_0``, ``image_1_jpg`` and
    ``image_0_jpg``. Numbers that both names have at one place (``sd15_0``, ``sd15_1``) do not
    count.
    """
    one, other = ([int(digits) for digits in re.findall(r"[0-9]+", name)] for name in images)
    if len(one) == len(other):
        differ = [both for both in zip(one, other, strict=True) if both[0] != both[1]]
        one, other = [first for first, _ in differ], [second for _, second in differ]
    sides = [{0, 1} & {*numbers} for numbers in (one, other)]
    return sides.index({0}) if sides in ([{0}, {1}], [{1}, {0}]) else None


def better_and_worse(images: Sequence[str], columns: Sequence[str]) -> LabelLayout | None:
    """A chosen and a rejected image; None of others."""
    sides = next((one for one in BETTER_AND_WORSE if set(one) == set(images)), None)
    if sides is None:
        return None
    left = list(images).index(sides[0])

    def read(table: pa.Table, at: At) -> pl.DataFrame:
        return _read_chosen(table, at, left)

    wanted = [name for name in ("label_source",) if name in columns]
    return LabelLayout(" and ".join(sides), wanted, read)


def _read_labels(table: pa.Table, at: At, left: int) -> pl.DataFrame:
    first = numbers(table, "label_0", at)
    two = "label_1" in table.column_names
    second = numbers(table, "label_1", at) if two else (1 - first).alias("label_1")
    labelled = first.is_not_null() & second.is_not_null()
    if "has_label" in table.column_names:
        labelled &= numbers(table, "has_label", at).fill_null(0) == 1
    else:
        # Without it, 0 and 0 say that there is no label.
        labelled &= (first != 0) | (second != 0)
    labelled = labelled.fill_null(False)
    for side in (first, second)[: 1 + two]:
        share = "its share of the votes, 0 to 1 (0.5 is a tie), or nothing where there is no label"
        require(~labelled | side.is_between(0, 1), [side], at, share)
    together = ((first + second) - 1).abs() <= _SURE
    require(~labelled | together, [first, second], at, "labels that are 1 together")
    rater = names(table, "user_id", at)
    # Of pairs that rewards labelled, the config `pickapic` of this tool has a user 0 and no time.
    ours = (rater == "0").fill_null(False) & _absent(table, "created_at")
    plain = first.is_in([0.0, 0.5, 1.0])
    rows = pl.DataFrame({"share": first, "labelled": labelled, "ours": ours, "plain": plain})
    return _compared(
        rows.select(
            share=pl.when("labelled").then("share"),
            n=pl.when(pl.col("labelled") & pl.col("plain") & ~pl.col("ours")).then(1),
            rater=pl.when(~pl.col("ours")).then(rater),
            kind=pl.when("ours").then(pl.lit(REWARD)).otherwise(pl.lit(PERSON)),
            group=names(table, "ranking_id", at),
        ),
        left,
    )


def _read_chosen(table: pa.Table, at: At, left: int) -> pl.DataFrame:
    said = names(table, "label_source", at)
    known = said.is_in(list(_KINDS)) | said.is_null()
    require(known, [said], at, "rewards or people")
    rows = pl.DataFrame({"kind": said.replace_strict(_KINDS, default=None).fill_null(PERSON)})
    none = pl.lit(None)
    made = rows.select(share=pl.lit(1.0), n=none, rater=none, kind="kind", group=none)
    return _compared(made, left)


def _absent(table: pa.Table, name: str) -> pl.Series:
    """Where a column has no value; everywhere if there is no such column."""
    if name not in table.column_names:
        return pl.Series([True] * table.num_rows, dtype=pl.Boolean)
    return pl.Series(pl.from_arrow(table.column(name).combine_chunks().is_null()))


def _compared(rows: pl.DataFrame, left: int) -> pl.DataFrame:
    """One comparison a row, of the image ``left`` and the other one."""
    sides = {"left": pl.lit(left), "right": pl.lit(1 - left), "question": pl.lit("overall")}
    made = rows.with_row_index("nth").with_columns(**sides)
    return made.select(*COMPARED).cast(COMPARED)  # type: ignore[arg-type]
