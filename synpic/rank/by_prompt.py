"""What a ranking says of each prompt: how far its images lie apart, how far its rewards agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synpic.rank.agreement import tau_b
from synpic.rank.eligible import eligible
from synpic.rank.guards import require_columns

__all__ = ["agreement_by_prompt", "first", "margin_by_prompt"]


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
