"""The pairs that a set brings with labels, in the place of pairs picked from a ranking."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.errors import RankingError, did_you_mean

__all__ = ["OWN", "OwnPairs"]

OWN = "own"
"""The strategy that takes them."""

_PEOPLE = "people"
_REWARDS = "rewards"
_GIVES = "reward"
"""Of ``kind``: a label that a reward gave; all others are people's."""


@dataclass(frozen=True, eq=False)
class OwnPairs:
    """The labelled pairs of one source, by one question.

    Args:
        rows: ``prompt_id``, ``left``, ``right``, ``share`` (of the left image, 0 … 1), ``row``,
            ``label_source`` ("people" or "rewards"), ``group`` and ``rater``; in the order of the
            source, a row for each pair that a row of the source labels.
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
        """The pairs of ``labels`` that have a share.

        Of several labels of one pair in one row (several raters), the share is that of all votes.

        Args:
            labels: columns of ``labels`` of a workspace.

        Raises:
            RankingError: none is of the question.
        """
        asked = labels.filter(pl.col("question") == question)
        if asked.is_empty():
            known = sorted(labels["question"].unique())
            raise RankingError(
                f"no label of {source!r} answers the question {question!r}."
                f"{did_you_mean(question, known)}",
                hint=f'records.question = "…": one of {", ".join(known) or "none"}',
            )
        votes = pl.col("n").fill_null(1).clip(1)
        by_reward = (pl.col("kind") == _GIVES).all()
        rows = (
            asked.drop_nulls("share")
            .group_by("row", "prompt_id", "left", "right", maintain_order=True)
            .agg(
                share=(pl.col("share").cast(pl.Float64) * votes).sum() / votes.sum(),
                label_source=pl.when(by_reward).then(pl.lit(_REWARDS)).otherwise(pl.lit(_PEOPLE)),
                group=pl.col("group").first(),
                rater=pl.when(pl.len() == 1).then(pl.col("rater").first()),
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
