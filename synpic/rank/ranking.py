"""Rank the candidates of each prompt by all rewards together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from synpic.errors import RankingError, did_you_mean
from synpic.rank.aggregations import AGGREGATIONS, WIN_RATE, Aggregation
from synpic.rank.blocks import Ints, count_below
from synpic.rank.eligible import eligible
from synpic.rank.guards import require_rewards
from synpic.rank.weights import exact_weights, weighted_sum

__all__ = ["TIES", "Counts", "Ranking", "rank"]

TIES = ("competition", "ordinal")
"""How tied candidates are ranked: both 2 and then 4, or 2 and 3 by ``candidate_id``."""


@dataclass(frozen=True)
class Counts:
    """What was ranked, and what was left out and why.

    Args:
        candidates: scored candidates that were given.
        incomplete: those of them that lack a score of a selected reward.
        prompts: prompts that were given.
        prompts_below_two: those of them with fewer than two complete candidates.
        kept_prompts: the others, which the ranking holds.
        kept_candidates: rows of the ranking.
        tied_prompts: kept prompts in which at least two candidates are tied.
    """

    candidates: int
    incomplete: int
    prompts: int
    prompts_below_two: int
    kept_prompts: int
    kept_candidates: int
    tied_prompts: int


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranked candidates, and what ranked them.

    Args:
        table: one row per candidate, ordered by prompt_id, model, sample and candidate_id (never
            by rank); these columns as far as they were given, and then

            - ``wins_<reward>`` Int32: candidates of the prompt it strictly beats, 0 … k − 1
            - ``wins`` Float64: Σ w · wins_<reward>, whatever the aggregation
            - ``preference`` Float64: higher is better, range as the aggregation states; within a
              prompt equal exactly where tied
            - ``rank`` Int32: 1 … k, 1 is the best
        weights: reward → weight, as given.
        aggregation: its name.
        ties: one of ``TIES``.
        counts: how much was left out.
        aggregation_from: of an aggregation that synpic does not bring, where its code is from and
            what it does, as a manifest records it; else empty.
    """

    table: pl.DataFrame
    weights: Mapping[str, float]
    aggregation: str
    ties: str
    counts: Counts
    aggregation_from: Mapping[str, Any] = field(default_factory=dict)


def rank(
    scored: pl.DataFrame,
    weights: Mapping[str, float],
    *,
    aggregation: str | Aggregation = WIN_RATE,
    ties: str = "competition",
) -> Ranking:
    """Rank the candidates of each prompt by the rewards that ``weights`` names.

    Ranked are the candidates that have every selected reward; a prompt with fewer than two of them
    is dropped. k is the number that is left of a prompt, and may differ between prompts.

    Args:
        scored: prompt_id, candidate_id, where known model and sample, and ``score_<reward>``.
        weights: reward → weight, greater than 0 and read as it is written: 0.1 is one tenth.
        aggregation: how one preference is made of the rewards (Algorithm 1 of RankDPO, arXiv
            2410.18013, where it is not given); or the name of one of ``AGGREGATIONS``.
        ties: ``competition`` ranks 1, 2, 2, 4; ``ordinal`` breaks ties by candidate_id.

    Raises:
        RankingError: an unknown aggregation or reward, a weight that is not above 0, a missing
            column, a candidate that is there twice.
        RewardError: the scores of a reward cannot be trusted (``refuse_untrustworthy``).
    """
    if isinstance(aggregation, str):
        _require_known("aggregation", aggregation, tuple(AGGREGATIONS))
        aggregation = AGGREGATIONS[aggregation]
    _require_known("way to rank ties", ties, TIES)
    rewards = list(weights)
    require_rewards(scored, rewards)
    exact = exact_weights(weights)
    ready = eligible(scored, rewards)
    exact.require_exact(int(ready.sizes.max(initial=0)))

    size = len(ready.table)
    wins = np.empty((len(rewards), size), np.int32)
    total = np.empty(size, np.float64)
    preference = np.empty(size, np.float64)
    ranks = np.empty(size, np.int32)
    id_places = _places(ready.table["candidate_id"]) if ties == "ordinal" else None
    tied_prompts = 0
    for rows, scores in ready.blocks():
        block_wins = count_below(scores)
        result = aggregation.function(scores, exact.integers)
        wins[:, rows] = block_wins
        total[rows] = exact.in_weights(weighted_sum(exact.integers, block_wins))
        preference[rows] = result.value
        ranks[rows] = _ranks(result.order, None if id_places is None else id_places[rows])
        in_order = np.sort(result.order, axis=0)
        tied_prompts += int((in_order[1:] == in_order[:-1]).any(axis=0).sum())

    return Ranking(
        table=ready.table.with_columns(
            *(pl.Series(f"wins_{reward}", wins[i]) for i, reward in enumerate(rewards)),
            pl.Series("wins", total),
            pl.Series("preference", preference),
            pl.Series("rank", ranks),
        ),
        weights=dict(weights),
        aggregation=aggregation.name,
        aggregation_from=aggregation.recorded,
        ties=ties,
        counts=Counts(
            candidates=len(scored),
            incomplete=len(scored) - ready.complete_candidates,
            prompts=ready.prompts,
            prompts_below_two=ready.prompts - len(ready.sizes),
            kept_prompts=len(ready.sizes),
            kept_candidates=size,
            tied_prompts=tied_prompts,
        ),
    )


def _ranks(order: Ints, id_places: Ints | None) -> npt.NDArray[np.int32]:
    """Ranks ``Int[k, m]``, 1 the best; ties share theirs unless ``id_places`` breaks them."""
    ranks = 1 + count_below(-order)
    if id_places is not None:
        for other in range(len(order)):
            ranks += (order == order[other]) & (id_places > id_places[other])
    return ranks


def _places(ids: pl.Series) -> Ints:
    """The place of each id among all in order; none is there twice."""
    places = np.empty(len(ids), np.int64)
    places[ids.arg_sort().to_numpy()] = np.arange(len(ids))
    return places


def _require_known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise RankingError(
            f"unknown {what} {name!r}.{did_you_mean(name, known)}",
            hint=f"known: {', '.join(known)}",
        )
