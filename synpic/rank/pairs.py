"""Ranked candidates as pairs of a chosen and a rejected one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from synpic.errors import RankingError, did_you_mean
from synpic.rank.blocks import Ints, blocks, prompt_sizes
from synpic.rank.guards import require_columns

__all__ = ["STRATEGIES", "pairs"]

Places = tuple[Ints, Ints]


def best_worst(k: int) -> Places:
    """The first and the last: one pair."""
    return np.array([0]), np.array([k - 1])


def best_rest(k: int) -> Places:
    """The first and each of the others: k − 1 pairs."""
    return np.zeros(k - 1, np.int64), np.arange(1, k)


def all_pairs(k: int) -> Places:
    """Everyone and everyone after it: k (k − 1) / 2 pairs."""
    higher, lower = np.triu_indices(k, 1)
    return higher, lower


def adjacent(k: int) -> Places:
    """Everyone and the one after it: k − 1 pairs."""
    return np.arange(k - 1), np.arange(1, k)


def random(k: int) -> Places:
    """Of any two of them, the first and the last: one pair."""
    return best_worst(k)


STRATEGIES: Mapping[str, Callable[[int], Places]] = {
    "best-worst": best_worst,
    "best-rest": best_rest,
    "all": all_pairs,
    "adjacent": adjacent,
    "random": random,
}


def pairs(ranking_table: pl.DataFrame, strategy: str) -> pl.DataFrame:
    """The pairs that ``strategy`` picks from each prompt's candidates, tied pairs left out.

    The candidates of a prompt stand in order of preference, the highest first. Tied ones stand in
    order of candidate_id, a hash: so that, where two are best, the choice favours no model. From
    the k in that order are taken

    - ``best-worst``: the first with the last
    - ``best-rest``: the first with each of the others
    - ``all``: every two
    - ``adjacent``: each with the next
    - ``random``: two of them, drawn by a hash of their ids: the same two whatever the rewards say

    and then those of equal preference are dropped. A candidate whose preference is null or NaN has
    no place in that order, and is in no pair.

    Args:
        ranking_table: prompt_id, candidate_id and preference, such as ``Ranking.table`` or rows of
            it; other columns are ignored.
        strategy: one of ``STRATEGIES``.

    Returns:
        prompt_id, chosen_id, rejected_id (String), chosen_preference, rejected_preference, margin
        (Float64; margin is their difference, greater than 0) and strategy (String), ordered by
        prompt_id and then as the chosen and the rejected stand in that order.

    Raises:
        RankingError: an unknown strategy, or a missing column.
    """
    if strategy not in STRATEGIES:
        raise RankingError(
            f"unknown pair strategy {strategy!r}.{did_you_mean(strategy, STRATEGIES)}",
            hint=f"known: {', '.join(STRATEGIES)}",
        )
    columns = ("prompt_id", "candidate_id", "preference")
    require_columns(ranking_table, columns, "ranked candidates")
    known = ranking_table.select(columns).filter(pl.col("preference").cast(pl.Float64).is_not_nan())
    if strategy == "random":
        known = _drawn(known)
    table = known.sort(columns[0], -pl.col("preference"), "candidate_id")
    preference = table["preference"].to_numpy()

    empty = np.zeros(0, np.int64)
    chosen, rejected = [empty], [empty]
    for rows in blocks(prompt_sizes(table["prompt_id"])):
        higher, lower = STRATEGIES[strategy](len(rows))
        winner, loser = rows[higher].ravel(), rows[lower].ravel()
        untied = preference[winner] > preference[loser]
        chosen.append(winner[untied])
        rejected.append(loser[untied])
    winners, losers = np.concatenate(chosen), np.concatenate(rejected)
    order = np.lexsort((losers, winners))
    better, worse = table[winners[order]], table[losers[order]]
    return pl.DataFrame(
        [
            better["prompt_id"],
            better["candidate_id"].alias("chosen_id"),
            worse["candidate_id"].alias("rejected_id"),
            better["preference"].alias("chosen_preference"),
            worse["preference"].alias("rejected_preference"),
            (better["preference"] - worse["preference"]).alias("margin"),
        ]
    ).with_columns(strategy=pl.lit(strategy))


def _drawn(candidates: pl.DataFrame) -> pl.DataFrame:
    """Two of each prompt's candidates, or the only one: those whose hashes are the smallest."""
    ids = candidates["candidate_id"].cast(pl.String)
    lots = [hashlib.sha256(f"random pair:{one}".encode()).digest() for one in ids]
    place = pl.col("lot").rank("ordinal").over("prompt_id")
    drawn = candidates.with_columns(pl.Series("lot", lots, dtype=pl.Binary)).filter(place <= 2)
    return drawn.drop("lot")
