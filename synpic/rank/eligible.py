"""Which candidates can be ranked, and in what order they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synpic.rank.blocks import Ints, Numbers, blocks, prompt_sizes
from synpic.rank.guards import (
    PREFIX,
    refuse_duplicates,
    refuse_untrustworthy,
    require_columns,
    require_rewards,
)

__all__ = ["Eligible", "eligible"]

_COLUMNS = ("prompt_id", "candidate_id", "model", "sample")
_ORDER = ("prompt_id", "model", "sample", "candidate_id")


@dataclass(frozen=True, eq=False)
class Eligible:
    """Candidates that have every selected reward, of prompts with at least two such.

    Args:
        table: prompt_id, candidate_id, and model and sample where they were given; ordered by
            prompt_id, model, sample and candidate_id.
        scores: ``Float[rewards, rows]`` of the rows of ``table``; float64 unless all columns of
            scores are float32.
        sizes: ``Int[prompts]``, how many of the rows belong to each prompt.
        prompts: how many prompts were given.
        complete_candidates: how many candidates have every selected reward.
    """

    table: pl.DataFrame
    scores: Numbers
    sizes: Ints
    prompts: int
    complete_candidates: int

    def blocks(self) -> Iterator[tuple[Ints, Numbers]]:
        """Row numbers ``Int[k, m]`` and scores ``Float[rewards, k, m]``, k by k."""
        for rows in blocks(self.sizes):
            yield rows, self.scores[:, rows]


def eligible(scored: pl.DataFrame, rewards: Sequence[str]) -> Eligible:
    """Check scored candidates and keep those that can be ranked by ``rewards``.

    Raises:
        RankingError: a column is missing, an id is null or a candidate is there twice.
        RewardError: the scores of a reward cannot be trusted (``refuse_untrustworthy``).
    """
    require_columns(scored, ("prompt_id", "candidate_id"), "scored candidates")
    require_rewards(scored, rewards)
    refuse_duplicates(scored)
    refuse_untrustworthy(scored, rewards)

    names = [name for name in _COLUMNS if name in scored.columns]
    order = [name for name in _ORDER if name in scored.columns]
    columns = [PREFIX + reward for reward in rewards]
    ordered = scored.select(*names, *columns).sort(order)
    complete = ordered.drop_nulls(columns)
    sizes = prompt_sizes(complete["prompt_id"])
    kept = complete.filter(pl.Series(np.repeat(sizes >= 2, sizes), dtype=pl.Boolean))
    return Eligible(
        table=kept.select(names),
        scores=np.stack([kept[column].to_numpy() for column in columns]),
        sizes=sizes[sizes >= 2],
        prompts=len(prompt_sizes(ordered["prompt_id"])),
        complete_candidates=len(complete),
    )
