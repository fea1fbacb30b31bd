"""Rows with two images and what each of them got: votes, or their weighted share, by question.

Sources: Rapidata's older sets (``votes_image1``) and its newer ones, of 2025 and with 6 M answers
(``weighted_results_image1_preference``, ``_coherence``, ``_alignment``, each with a sum of 1).
Columns of datapointai's sets could not be seen: their card describes ten votes on each of two
images, by overall preference and by alignment, and such columns are looked for under the names that
follow from that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import pyarrow as pa

from synpic.ingest.labels.forms import COMPARED, PERSON, LabelLayout
from synpic.ingest.labels.values import counts, numbers, require
from synpic.readers.text import At

__all__ = ["votes"]

_QUESTIONS: Mapping[str, Sequence[str]] = {
    "overall": ("", "preference", "overall", "overall_preference"),
    "alignment": ("alignment", "prompt_alignment"),
    "coherence": ("coherence",),
}
"""A question → what columns call it."""

_WORDS = {"votes": True, "weighted_results": False}
"""What columns of two numbers are called → whether they are counts."""

_MOST = 1e9
"""Of a weight; shares are at most 1, and percentages 100."""

_Columns = dict[str, tuple[str, str, bool]]
"""A question → the columns of both images, and whether they are counts."""


def votes(images: Sequence[str], columns: Sequence[str]) -> LabelLayout | None:
    """Votes on two images; None where there are no such columns."""
    if len(images) != 2:
        return None
    found: _Columns = {}
    for question, axes in _QUESTIONS.items():
        for word, counted in _WORDS.items():
            both = next(
                (
                    two
                    for axis in axes
                    for two in _names(word, axis, images)
                    if {*two} <= {*columns}
                ),
                None,
            )
            if both is not None:
                found[question] = (*both, counted)
    if not found:
        return None

    def read(table: pa.Table, at: At) -> pl.DataFrame:
        return pl.concat([_read(table, at, question, *two) for question, two in found.items()])

    wanted = [name for left, right, _ in found.values() for name in (left, right)]
    return LabelLayout("votes on two images", wanted, read)


def _names(word: str, axis: str, images: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names that the columns of both images may have: ``votes_image1``, ``image_a_votes`` …"""
    whole = tuple(images)
    tags = [re.sub(r"^[a-z]+_?", "", name) or name for name in images]
    for left, right in dict.fromkeys([whole, tuple(tags)]):
        orders = [(word, "{}", axis), ("{}", word, axis), (axis, word, "{}"), ("{}", axis, word),
                  (axis, "{}", word), (word, axis, "{}")]  # fmt: skip
        for order in orders:
            pattern = "_".join(filter(None, order))
            yield pattern.format(left), pattern.format(right)


def _read(
    table: pa.Table, at: At, question: str, left: str, right: str, counted: bool
) -> pl.DataFrame:
    read = counts if counted else numbers
    first, second = read(table, left, at), read(table, right, at)
    if not counted:
        for side in (first, second):
            weight = side.is_between(0, _MOST)
            require(side.is_null() | weight, [side], at, "a weight: 0, or more")
    both = first.is_null() == second.is_null()
    require(both, [first, second], at, "two numbers, or neither")
    rows = pl.DataFrame({"first": first, "total": first + second})
    return rows.with_row_index("nth").select(
        pl.col("nth").cast(COMPARED["nth"]),
        pl.lit(0, pl.Int32).alias("left"),
        pl.lit(1, pl.Int32).alias("right"),
        pl.when(pl.col("total") > 0).then(pl.col("first") / pl.col("total")).alias("share"),
        pl.lit(question).alias("question"),
        (pl.col("total") if counted else pl.lit(None)).cast(pl.Int32).alias("n"),
        pl.lit(None, pl.String).alias("rater"),
        pl.lit(PERSON).alias("kind"),
        pl.lit(None, pl.String).alias("group"),
    )
