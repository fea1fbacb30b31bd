"""Comparisons as a release holds them, and what its manifest says of them.

``scores`` and ``images`` have two columns for each source that ranks by comparisons:

- ``compared_<name>`` list<string>: the images of its prompt that this one was compared with, in
  order of id
- ``share_<name>`` list<float32>: of the votes on it and each of those, its share

Every pair stands on both of its images. From these columns wins, φ and agreement are computed again
as they were published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field

from synpic.errors import ReleaseError
from synpic.rank import Comparisons, Ranking
from synpic.rank.comparisons import NO_PAIRS, WHOLE
from synpic.readers.json_models import Record
from synpic.release.asked import asked_model

__all__ = [
    "COMPARED",
    "SHARE",
    "ComparedRow",
    "ComparerRow",
    "describe_comparisons",
    "fingerprint",
    "holds_comparisons",
    "named_comparisons",
    "read_compared",
    "with_compared",
]

COMPARED, SHARE = "compared_", "share_"

Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class ComparerRow(Record):
    """A comparer, which says with which probability one of two images is better.

    ``position_bias`` is −1 … 1, 1 where the image that it sees first always wins, and
    ``order_decides`` 0 … 1, the share of pairs of which either image wins when it is in the same
    place, both over the pairs of different images; None where there are none.
    """

    fingerprint: str
    checkpoint: str | None
    fingerprint_inputs: dict[str, Any] = Field(alias="decides")
    licence: str | None
    paper: str | None
    position_bias: Annotated[float, Field(ge=-1, le=1)] | None
    order_decides: Annotated[float, Field(ge=0, le=1)] | None

    @property
    def asked(self) -> str | None:
        """The model that an endpoint served, with its variant; None where none was asked."""
        return asked_model(self.fingerprint_inputs)


class ComparedRow(Record):
    """A source of comparisons that ranks: which labels, and where it takes part.

    ``pairs`` distinct pairs of images of the release were compared, and ``fingerprint`` is a hash
    of them and their shares. It takes part in ``prompts`` ranked prompts, and not in ``absent``.
    ``by_people`` is false of labels that others' rewards gave, and of a comparer, of which
    ``labels`` is what it is registered as.
    """

    labels: str
    question: str
    by_people: bool
    tie: Annotated[float, Field(ge=0, lt=0.5)]
    fingerprint: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
    pairs: Count
    prompts: Count
    absent: Count
    comparer: ComparerRow | None = None
    """None of labels."""


def describe_comparisons(ranking: Ranking, candidates: pl.Series) -> dict[str, dict[str, Any]]:
    """Source → what :class:`ComparedRow` has.

    Args:
        candidates: the ids of the images that are published.
    """
    judged = ranking.counts.kept_prompts + ranking.counts.without_preference
    found = {}
    for name, one in ranking.comparisons.items():
        pairs = one.among(candidates)
        found[name] = {
            "labels": one.source,
            "question": one.question,
            "by_people": one.by_people,
            "tie": one.tie,
            "fingerprint": fingerprint(pairs),
            "pairs": pairs.height,
            "prompts": judged - ranking.absent[name],
            "absent": ranking.absent[name],
            **({} if one.comparer is None else {"comparer": dict(one.comparer)}),
        }
    return found


def fingerprint(pairs: pl.DataFrame) -> str:
    """A SHA-256 of the ``pairs`` of :class:`Comparisons`, in whatever order they stand."""
    lines = pairs.sort("one", "other").select(
        pl.concat_str("one", "other", "share", separator=":").alias("line")
    )
    return hashlib.sha256(lines["line"].str.join("\n").item().encode()).hexdigest()


def with_compared(rows: pl.DataFrame, comparisons: Mapping[str, Comparisons]) -> pl.DataFrame:
    """``rows`` with both columns of each source; an image that was not compared has empty lists.

    Args:
        rows: candidate_id, of each image once.
    """
    for name, one in comparisons.items():
        pairs = one.among(rows["candidate_id"])
        share = pl.col("share")
        sides = pl.concat(
            [
                pairs.select("one", "other", "share"),
                pairs.select(one="other", other="one", share=WHOLE - share),
            ]
        )
        lists = (
            sides.sort("one", "other")
            .group_by("one", maintain_order=True)
            .agg(
                pl.col("other").alias(COMPARED + name),
                (share / WHOLE).cast(pl.Float32).alias(SHARE + name),
            )
        )
        rows = rows.join(
            lists, left_on="candidate_id", right_on="one", how="left", maintain_order="left"
        ).with_columns(pl.col(COMPARED + name, SHARE + name).fill_null([]))
    return rows


def read_compared(
    table: pl.DataFrame, rows: Mapping[str, ComparedRow], release: str
) -> dict[str, Comparisons]:
    """The comparisons that a table of a release holds.

    Args:
        table: of ``scores`` or ``images``: candidate_id and the columns of each source.
        rows: of its manifest.
        release: its name, for messages.

    Raises:
        ReleaseError: the lists of an image do not fit together.
    """
    found = {}
    for name, row in rows.items():
        lists = table.select("candidate_id", other=COMPARED + name, share=SHARE + name)
        uneven = lists.filter(pl.col("other").list.len().ne_missing(pl.col("share").list.len()))
        if uneven.height:
            raise ReleaseError(
                f"{release}: {COMPARED}{name} and {SHARE}{name} of {uneven['candidate_id'][0]} "
                "do not fit together: they have unequally many entries",
                hint=f"`synpic verify {release}` says what else is wrong; publish it again",
            )
        sides = lists.explode("other", "share").filter(pl.col("share").is_between(0, 1))
        # Each pair stands there from both sides; a float32 has its millionths exactly.
        first = sides.filter(pl.col("candidate_id") < pl.col("other"))
        first = first.unique(["candidate_id", "other"], keep="first", maintain_order=True)
        millionths = np.rint(first["share"].cast(pl.Float64).to_numpy() * WHOLE)
        pairs = first.select(
            one="candidate_id",
            other="other",
            share=pl.Series(millionths).cast(pl.Int64),
            votes=pl.lit(None, pl.Int64),
        )
        found[name] = _of(row, pairs.sort("one", "other"))
    return found


def holds_comparisons(table: pl.DataFrame, rows: Mapping[str, ComparedRow]) -> bool:
    """Whether a table of a release has the columns of each source."""
    return all({COMPARED + name, SHARE + name} <= {*table.columns} for name in rows)


def named_comparisons(rows: Mapping[str, ComparedRow]) -> dict[str, Comparisons]:
    """The same without a pair: for what a ranking says of itself, where its pairs are not read."""
    return {name: _of(row, NO_PAIRS) for name, row in rows.items()}


def _of(row: ComparedRow, pairs: pl.DataFrame) -> Comparisons:
    known = row.comparer
    comparer = None if known is None else known.model_dump(mode="json", by_alias=True)
    return Comparisons(pairs, row.tie, row.labels, row.question, row.by_people, comparer)
