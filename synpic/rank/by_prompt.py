"""What a ranking says of each prompt: how far its images lie apart, how far its rewards agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from synpic.rank.agreement import tau_b
from synpic.rank.blocks import count_below
from synpic.rank.eligible import eligible
from synpic.rank.guards import require_columns
from synpic.rank.weights import exact_weights, weighted_sum

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


def agreement_by_prompt(scored: pl.DataFrame, rewards: Sequence[str]) -> pl.DataFrame:
    """Kendall's τ-b of every two rewards within each prompt, a mean over the pairs of rewards.

    It is taken over the candidates that have all of ``rewards``, at least two of them. A pair of
    rewards of which one tells no two of the candidates apart has no τ-b, and is not in the mean.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        rewards: at least one; of one alone no prompt has an agreement.

    Returns:
        prompt_id, agreement (Float64, −1 … 1; null where no pair of rewards has a τ-b), a row for
        each prompt that can be ranked, ordered by prompt_id.

    Raises:
        RankingError, RewardError: as ``rank``.

    Source: Kendall, "The treatment of ties in ranking problems" (1945).
    """
    ready = eligible(scored, rewards)
    sums = np.zeros(len(ready.table))
    pairs = np.zeros(len(ready.table), np.int64)
    for rows, scores in ready.blocks():
        for a in range(len(rewards)):
            for b in range(a + 1, len(rewards)):
                tau = tau_b(scores[a], scores[b])
                defined = ~np.isnan(tau)
                # A prompt's numbers stand at its first row.
                sums[rows[0]] += np.where(defined, tau, 0.0)
                pairs[rows[0]] += defined
    starts = np.cumsum(ready.sizes) - ready.sizes
    with np.errstate(invalid="ignore"):
        mean = sums[starts] / pairs[starts]
    return pl.DataFrame(
        {"prompt_id": ready.table["prompt_id"].gather(starts), "agreement": mean}
    ).with_columns(pl.col("agreement").fill_nan(None))


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


def against_the_rest(scored: pl.DataFrame, weights: Mapping[str, float]) -> pl.DataFrame:
    """Kendall's τ-b of each reward with φ of all the others, within each prompt.

    What ``leave_one_out`` takes the mean of. Where it is low, that reward prefers what the others
    do not.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        weights: reward → weight, as ``rank`` takes them.

    Returns:
        prompt_id, and of each reward ``rest_<reward>`` (Float64, −1 … 1; null where it, or the
        others together, tell no two candidates apart; null for a reward without others), a row for
        each prompt that can be ranked, ordered by prompt_id.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    rewards = list(weights)
    exact = exact_weights(weights)
    ready = eligible(scored, rewards)
    exact.require_exact(int(ready.sizes.max(initial=0)))
    found = np.full((len(rewards), len(ready.table)), np.nan)
    for rows, scores in ready.blocks():
        wins = count_below(scores)
        points = weighted_sum(exact.integers, wins)
        for at, weight in enumerate(exact.integers):
            # A prompt's numbers stand at its first row.
            found[at, rows[0]] = tau_b(scores[at], points - weight * wins[at])
    starts = np.cumsum(ready.sizes) - ready.sizes
    return pl.DataFrame(
        {
            "prompt_id": ready.table["prompt_id"].gather(starts),
            **{f"rest_{reward}": found[at, starts] for at, reward in enumerate(rewards)},
        }
    ).with_columns(pl.selectors.float().fill_nan(None))


def agreement_of_pairs(scored: pl.DataFrame, rewards: Sequence[str]) -> pl.DataFrame:
    """Kendall's τ-b of every two rewards, within each prompt; ``agreement`` has their means.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        rewards: at least one; of one alone there is no pair.

    Returns:
        prompt_id, and of every two rewards ``tau.<a>.<b>``, in the order of ``rewards`` (Float64,
        −1 … 1; null where one of them tells no two candidates apart), a row for each prompt that
        can be ranked, ordered by prompt_id.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    ready = eligible(scored, rewards)
    pairs = list(combinations(range(len(rewards)), 2))
    found = np.full((len(pairs), len(ready.table)), np.nan)
    for rows, scores in ready.blocks():
        for at, (a, b) in enumerate(pairs):
            found[at, rows[0]] = tau_b(scores[a], scores[b])
    starts = np.cumsum(ready.sizes) - ready.sizes
    return pl.DataFrame(
        {
            "prompt_id": ready.table["prompt_id"].gather(starts),
            **{
                f"tau.{rewards[a]}.{rewards[b]}": found[at, starts]
                for at, (a, b) in enumerate(pairs)
            },
        }
    ).with_columns(pl.selectors.float().fill_nan(None))
