"""What a ranking says of each prompt: how far its images lie apart, how far its rewards agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from synpic.rank.blocks import Floats, Ints, starts_of
from synpic.rank.comparisons import NO_COMPARISONS, Comparisons
from synpic.rank.eligible import eligible
from synpic.rank.guards import require_columns
from synpic.rank.kendall import order_by, orders_of, tau_b, wins_of
from synpic.rank.weights import exact_weights

__all__ = [
    "against_the_rest",
    "agreement_by_prompt",
    "agreement_of_pairs",
    "first",
    "margin_by_prompt",
]


def margin_by_prompt(ranking_table: pl.DataFrame) -> pl.DataFrame:
    """The preference of each prompt's first image less that of its last.

    It is the ``margin`` of the pair that ``best-worst`` picks; 0 where all are tied.

    Args:
        ranking_table: prompt_id and preference, such as ``Ranking.table`` or rows of it.

    Returns:
        prompt_id, margin (Float64, 0 or more), ordered by prompt_id.
    """
    require_columns(ranking_table, ("prompt_id", "preference"), "ranked candidates")
    preference = pl.col("preference").cast(pl.Float64)
    margin = (preference.max() - preference.min()).alias("margin")
    return ranking_table.group_by("prompt_id").agg(margin).sort("prompt_id")


def agreement_by_prompt(
    scored: pl.DataFrame,
    rewards: Sequence[str],
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> pl.DataFrame:
    """Kendall's τ-b of every two rewards within each prompt, a mean over the pairs of rewards.

    It is taken over the candidates that have all of ``rewards``, at least two of them. A pair of
    rewards of which one tells no two of the candidates apart has no τ-b, and is not in the mean;
    nor is one with a source of comparisons that did not compare every pair.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        rewards: at least one; of one alone no prompt has an agreement.
        comparisons: of those of ``rewards`` that are sources of comparisons.

    Returns:
        prompt_id, agreement (Float64, −1 … 1; null where no pair of rewards has a τ-b), a row for
        each prompt that can be ranked, ordered by prompt_id.

    Raises:
        RankingError, RewardError: as ``rank``.

    Source: Kendall, "The treatment of ties in ranking problems" (1945).
    """
    taus = agreement_of_pairs(scored, rewards, comparisons)
    sums = np.zeros(len(taus))
    pairs = np.zeros(len(taus), np.int64)
    # Pair by pair, so that the sum has one order.
    for tau in taus.drop("prompt_id").iter_columns():
        sums += tau.fill_null(0.0).to_numpy()
        pairs += tau.is_not_null().to_numpy()
    with np.errstate(invalid="ignore"):
        mean = sums / pairs
    return taus.select("prompt_id", agreement=pl.Series(mean)).with_columns(
        pl.col("agreement").fill_nan(None)
    )


def first(ranking_table: pl.DataFrame, k: int) -> pl.DataFrame:
    """The rows of each prompt's first ``k`` candidates, in the order in which rows stand.

    The order of candidates is that of :func:`synpic.rank.pairs`: by preference, the highest first,
    and tied ones by candidate_id. So there are exactly ``k`` of each prompt that has as many.

    Args:
        ranking_table: prompt_id, candidate_id and preference, and any other column.
        k: at least 1.
    """
    columns = ("prompt_id", "candidate_id", "preference")
    require_columns(ranking_table, columns, "ranked candidates")
    order = ranking_table.select(columns).sort("prompt_id", -pl.col("preference"), "candidate_id")
    kept = order.group_by("prompt_id", maintain_order=True).head(k)
    return ranking_table.join(
        kept.select("candidate_id"), on="candidate_id", how="semi", maintain_order="left"
    )


def against_the_rest(
    scored: pl.DataFrame,
    weights: Mapping[str, float],
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> pl.DataFrame:
    """Kendall's τ-b of each reward with φ of all the others, within each prompt.

    What ``leave_one_out`` takes the mean of. Where it is low, that reward prefers what the others
    do not.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        weights: reward → weight, as ``rank`` takes them.
        comparisons: of those that are sources of comparisons.

    Returns:
        prompt_id, and of each reward ``rest_<reward>`` (Float64, −1 … 1; null where it, or the
        others together, tell no two candidates apart; null for a reward without others, and for a
        source of comparisons that did not compare every pair), a row for each prompt that can be
        ranked, ordered by prompt_id.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    rewards = list(weights)
    exact = exact_weights(weights)
    integer = dict(zip(rewards, exact.integers.tolist(), strict=True))
    ready = eligible(scored, rewards, comparisons)
    exact.require_exact(int(ready.sizes.max(initial=0)))
    found = np.full((len(rewards), len(ready.table)), np.nan)
    for block in ready.blocks():
        orders, wins = orders_of(block), wins_of(block)
        points = sum(integer[name] * won.astype(np.int64) for name, won in wins.items())
        for at, name in enumerate(rewards):
            if name in orders:
                others = order_by(points - integer[name] * wins[name])
                # A prompt's numbers stand at its first row.
                found[at, block.rows[0]] = tau_b(orders[name], others)
    starts = starts_of(ready.sizes)
    return _of_prompts(ready.table, starts, [f"rest_{reward}" for reward in rewards], found)


def agreement_of_pairs(
    scored: pl.DataFrame,
    rewards: Sequence[str],
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> pl.DataFrame:
    """Kendall's τ-b of every two rewards, within each prompt; ``agreement`` has their means.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        rewards: at least one; of one alone there is no pair.
        comparisons: of those of ``rewards`` that are sources of comparisons.

    Returns:
        prompt_id, and of every two rewards ``tau.<a>.<b>``, in the order of ``rewards`` (Float64,
        −1 … 1; null where one of them tells no two candidates apart, or is a source of comparisons
        that did not compare every pair), a row for each prompt that can be ranked, ordered by
        prompt_id.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    ready = eligible(scored, rewards, comparisons)
    pairs = list(combinations(rewards, 2))
    found = np.full((len(pairs), len(ready.table)), np.nan)
    for block in ready.blocks():
        orders = orders_of(block)
        for at, (a, b) in enumerate(pairs):
            if a in orders and b in orders:
                found[at, block.rows[0]] = tau_b(orders[a], orders[b])
    names = [f"tau.{a}.{b}" for a, b in pairs]
    return _of_prompts(ready.table, starts_of(ready.sizes), names, found)


def _of_prompts(
    table: pl.DataFrame, starts: Ints, names: Sequence[str], found: Floats
) -> pl.DataFrame:
    """prompt_id, and ``found`` (``Float[names, rows]``) at each prompt's first row, NaN as null."""
    columns = {name: found[at, starts] for at, name in enumerate(names)}
    return pl.DataFrame({"prompt_id": table["prompt_id"].gather(starts), **columns}).with_columns(
        pl.selectors.float().fill_nan(None)
    )
