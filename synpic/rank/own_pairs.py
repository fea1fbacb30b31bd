"""The pairs that a set brings with labels, in the place of pairs picked from a ranking."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.errors import RankingError, did_you_mean
from synpic.rank.shares import WHOLE, counted_labels, mean_share

__all__ = ["OWN", "OwnPairs"]

OWN = "own"
"""The strategy that takes them."""

_PEOPLE = "people"
_REWARDS = "rewards"
_GIVES = "reward"
"""Of ``kind``: a label that a reward gave; all others are people's."""
_STUDY = "study"
"""Of ``kind``: a vote."""


@dataclass(frozen=True, eq=False)
class OwnPairs:
    """The labelled pairs of one source, by one question.

    Args:
        rows: ``prompt_id``, ``left``, ``right``, ``share`` (of the left image, 0 … 1), ``row``,
            ``label_source`` ("people" or "rewards"), ``group`` and ``rater``; in the order of the
            source. A row of a dataset is a pair of its own; votes on one pair make one together.
        source, question: whose labels they are, and of what.
        keep_ties: whether a share of ½ is a pair where it can be.
    """

    rows: pl.DataFrame
    source: str
    question: str
    keep_ties: bool = False

    @classmethod
    def of_labels(
        cls, labels: pl.DataFrame, source: str, question: str, keep_ties: bool = False
    ) -> OwnPairs:
        """The pairs of ``labels`` that count, with shares as :func:`combine_labels` makes them.

        Labels of one pair in one row (those of several raters) make one share. So do those of
        several rows where a row is a vote: the votes of a study, and labels of a rater that are of
        no list. The pair stands at the place of its first row, with that row's sides.

        Args:
            labels: columns of ``labels`` of a workspace.

        Raises:
            RankingError: none is of the question, or a share or n is none.
        """
        asked = labels.filter(pl.col("question") == question)
        if asked.is_empty():
            known = sorted(labels["question"].unique())
            raise RankingError(
                f"no label of {source!r} answers the question {question!r}."
                f"{did_you_mean(question, known)}",
                hint=f'records.question = "…": one of {", ".join(known) or "none"}',
            )
        left, right = pl.col("left"), pl.col("right")
        is_vote = (pl.col("kind") == _STUDY) | (
            pl.col("rater").is_not_null() & pl.col("group").is_null()
        )
        same_side = left == left.first()
        by_reward = (pl.col("kind") == _GIVES).all()
        rows = (
            counted_labels(asked)
            .group_by(
                "prompt_id",
                pl.min_horizontal(left, right).alias("low"),
                pl.max_horizontal(left, right).alias("high"),
                pl.when(~is_vote).then("row").alias("own_row"),
                maintain_order=True,
            )
            .agg(
                pl.col("row", "left", "right").first(),
                mean_share(pl.when(same_side).then("share").otherwise(1 - pl.col("share"))),
                label_source=pl.when(by_reward).then(pl.lit(_REWARDS)).otherwise(pl.lit(_PEOPLE)),
                group=pl.col("group").first(),
                rater=pl.when(pl.len() == 1).then(pl.col("rater").first()),
            )
            .select(
                "row",
                "prompt_id",
                "left",
                "right",
                pl.col("share") / WHOLE,
                "label_source",
                "group",
                "rater",
            )
        )
        return cls(rows, source, question, keep_ties)

    def among(self, candidates: pl.Series) -> OwnPairs:
        """Those of which both images are ``candidates``, by id."""
        there = pl.DataFrame({"candidate_id": candidates}).unique()
        rows = self.rows
        for side in ("left", "right"):
            rows = rows.join(
                there, left_on=side, right_on="candidate_id", how="semi", maintain_order="left"
            )
        return OwnPairs(rows, self.source, self.question, self.keep_ties)

    def pairs(self, ties: bool) -> pl.DataFrame:
        """A row for each pair: the image with the larger share is chosen.

        Args:
            ties: whether pairs with a share of ½ are among them.

        Returns:
            The columns of ``rows`` but the sides; ``chosen_id`` and ``rejected_id``, ``first``
            (whether the left image is the chosen one) and ``tied``. Of a tie, the left image stands
            as the chosen one.
        """
        share = pl.col("share")
        rows = self.rows.with_columns(first=share >= 0.5, tied=share == 0.5)
        first = pl.when("first")
        sides = {
            "chosen_id": first.then("left").otherwise("right"),
            "rejected_id": first.then("right").otherwise("left"),
        }
        made = rows.with_columns(**sides).drop("left", "right")
        return made if ties else made.filter(~pl.col("tied"))
