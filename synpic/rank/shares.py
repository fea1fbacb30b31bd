"""Shares of votes: which labels count, and the share that several of one pair make together."""

from __future__ import annotations

import polars as pl

from synpic.errors import RankingError
from synpic.rank.guards import require_columns

__all__ = ["WHOLE", "counted_labels", "mean_share"]

WHOLE = 1_000_000
"""A share is read to a millionth, so that shares and ``tie`` are compared in whole numbers."""


def counted_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """The labels that count: with a share, with votes, and of two images.

    Args:
        labels: left, right (String), share (Float, 0 … 1, of the left; null: unlabelled), n (Int;
            null counts as one vote), and others.

    Returns:
        All columns, in the same order of rows, with share as Float64 and n as Int64 from 1.

    Raises:
        RankingError: a column is missing, a share is not within 0 … 1, or n is below 0.
    """
    require_columns(labels, ("left", "right", "share", "n"), "labels")
    share, votes = pl.col("share"), pl.col("n")
    rows = labels.with_columns(share.cast(pl.Float64), votes.cast(pl.Int64).fill_null(1))
    rows = rows.drop_nulls(["left", "right", "share"])
    broken = rows.filter(~share.is_between(0, 1) | (votes < 0))
    if broken.height:
        one, other, held, number = broken.select("left", "right", "share", "n").row(0)
        raise RankingError(
            f"the label of {one} and {other} has share = {held:g} of n = {number}, expected a "
            "share from 0 to 1 and no negative n",
            hint="write the labels again",
        )
    return rows.filter((pl.col("left") != pl.col("right")) & (votes > 0))


def mean_share(share: str | pl.Expr = "share") -> pl.Expr:
    """Of the rows of a group, the share that they make together, weighted by ``n``: Int64, 0 …
    ``WHOLE``.

    Args:
        share: of the same image in every row.
    """
    share, votes = pl.col(share) if isinstance(share, str) else share, pl.col("n")
    # The order of additions decides the last digit; rounding to millionths forgets it.
    mean = (share * votes).sum() / votes.sum()
    return (mean * WHOLE).round(mode="half_to_even").cast(pl.Int64).alias("share")
