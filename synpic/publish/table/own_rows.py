"""Rows of pairs that came with labels, in the order of their source."""

from __future__ import annotations

import polars as pl

from synpic.rank import OWN, OwnPairs, Ranking

__all__ = ["own_rows"]

_NUMBER = r"\A(0|[1-9]\d{0,17})\z"
"""A text that 64 bits hold as a number."""


def own_rows(
    own: OwnPairs, candidates: pl.DataFrame, ranking: Ranking, pickapic: bool
) -> pl.DataFrame:
    """The pairs of ``own`` of which both images are ``candidates``.

    What rewards say of them has no part in it: ``margin`` is negative where they disagree, and null
    where an image is in no ranking.

    Args:
        pickapic: whether the rows are of that config, which can have ties.

    Returns:
        ``prompt_id``, ids and preferences of both sides, ``margin``, ``strategy``,
        ``label_source``, ``first`` (whether the chosen image is the source's first) and ``tied``;
        ``ranking_id`` and ``user_id`` as Pick-a-Pic has them: where the source's names of lists and
        raters are numbers, those; else the number of the prompt, and no user (0: a reward).
    """
    ties = pickapic and own.keep_ties
    rows = own.among(candidates["candidate_id"]).pairs(ties)
    preference = ranking.table.select("candidate_id", pl.col("preference").cast(pl.Float64))
    for side in ("chosen", "rejected"):
        known = preference.rename(
            {"candidate_id": f"{side}_id", "preference": f"{side}_preference"}
        )
        rows = rows.join(known, on=f"{side}_id", how="left", maintain_order="left")
    by_reward = pl.col("label_source") == "rewards"
    numbers = {
        name: pl.when(pl.col(name).str.contains(_NUMBER)).then(name).cast(pl.Int64)
        for name in ("group", "rater")
    }
    of_prompt = pl.col("prompt_id").str.head(12).str.to_integer(base=16)
    return rows.with_columns(
        margin=pl.col("chosen_preference") - pl.col("rejected_preference"),
        strategy=pl.lit(OWN),
        ranking_id=pl.coalesce(numbers["group"], of_prompt),
        user_id=pl.coalesce(numbers["rater"], pl.when(by_reward).then(pl.lit(0, pl.Int64))),
    )
