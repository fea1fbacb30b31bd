"""Rank the candidates of each prompt by all rewards together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from synpic.errors import RankingError, did_you_mean
from synpic.rank.aggregations import AGGREGATIONS, WIN_RATE, Aggregation, Preference
from synpic.rank.blocks import Booleans, Ints, count_below, signs
from synpic.rank.comparisons import NO_COMPARISONS, Comparisons
from synpic.rank.connected import largest_part
from synpic.rank.eligible import (
    Eligible,
    PromptBlock,
    eligible_of_checked,
    require_judges,
    require_scored,
)
from synpic.rank.weights import exact_weights, weighted_sum

__all__ = ["TIES", "Counts", "Ranking", "rank", "rank_each", "require_comparing"]

TIES = ("competition", "ordinal")
"""How tied candidates are ranked: both 2 and then 4, or 2 and 3 by ``candidate_id``."""


@dataclass(frozen=True)
class Counts:
    """What was ranked, and what was left out and why.

    Args:
        candidates: scored candidates that were given.
        incomplete: those of them that lack a score of a selected reward, or that no comparison
            connects with the others of their prompt, where comparisons alone rank.
        prompts: prompts that were given.
        prompts_below_two: those of them with fewer than two complete candidates.
        kept_prompts: the others, which the ranking holds.
        kept_candidates: rows of the ranking.
        tied_prompts: kept prompts in which at least two candidates are tied.
        without_preference: prompts with two complete candidates that are not kept, since only
            comparisons rank and none takes part.
    """

    candidates: int
    incomplete: int
    prompts: int
    prompts_below_two: int
    kept_prompts: int
    kept_candidates: int
    tied_prompts: int
    without_preference: int = 0


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranked candidates, and what ranked them.

    Args:
        table: one row per candidate, ordered by prompt_id, model, sample and candidate_id (never
            by rank); these columns as far as they were given, and then

            - ``wins_<reward>`` Int32: candidates of the prompt it strictly beats, 0 … k − 1; of a
              source of comparisons null where it did not compare every pair of the prompt
            - ``wins`` Float64: Σ w · wins_<reward>, whatever the aggregation
            - ``preference`` Float64: higher is better, range as the aggregation states; within a
              prompt equal exactly where tied
            - ``rank`` Int32: 1 … k, 1 is the best
        weights: reward, or source of comparisons → weight, as given.
        aggregation: its name.
        ties: one of ``TIES``.
        counts: how much was left out.
        aggregation_from: of an aggregation that synpic does not bring, where its code is from and
            what it does, as a manifest records it; else empty.
        comparisons: source → what it compared, of those that ``weights`` names.
        absent: source → the prompts with two complete candidates in which it takes no part.
    """

    table: pl.DataFrame = field(repr=False)
    weights: Mapping[str, float]
    aggregation: str
    ties: str
    counts: Counts
    aggregation_from: Mapping[str, Any] = field(default_factory=dict)
    comparisons: Mapping[str, Comparisons] = field(default_factory=dict)
    absent: Mapping[str, int] = field(default_factory=dict)

    @property
    def label_source(self) -> str:
        """Who says which image is better: "people" where they alone rank, else "rewards"."""
        people = {name for name, one in self.comparisons.items() if one.by_people}
        return "people" if self.weights.keys() <= people else "rewards"


def rank(
    scored: pl.DataFrame,
    weights: Mapping[str, float],
    *,
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
    aggregation: str | Aggregation = WIN_RATE,
    ties: str = "competition",
) -> Ranking:
    """Rank the candidates of each prompt by the rewards that ``weights`` names.

    Ranked are the candidates that have every selected reward; a prompt with fewer than two of them
    is dropped. k is the number that is left of a prompt, and may differ between prompts.

    A source of comparisons takes part in a prompt where it compared every pair of its candidates,
    and with ``bradley-terry`` where it compared any. Weights count in a prompt as far as their
    owners take part. Where comparisons alone rank, all candidates can be ranked, and a prompt in
    which none takes part is dropped; ``bradley-terry`` then ranks of each prompt the largest part
    that comparisons connect.

    Args:
        scored: prompt_id, candidate_id, where known model and sample, and ``score_<reward>``.
        weights: reward, or source of comparisons → weight, greater than 0 and read as it is
            written: 0.1 is one tenth.
        comparisons: by name, the sources of comparisons; those that ``weights`` does not name are
            not used.
        aggregation: how one preference is made of the rewards (Algorithm 1 of RankDPO, arXiv
            2410.18013, where it is not given); or the name of one of ``AGGREGATIONS``.
        ties: ``competition`` ranks 1, 2, 2, 4; ``ordinal`` breaks ties by candidate_id.

    Raises:
        RankingError: an unknown aggregation or reward, a weight that is not above 0, a missing
            column, a candidate that is there twice, an aggregation that takes no comparisons.
        RewardError: the scores of a reward cannot be trusted (``refuse_untrustworthy``).
    """
    every = rank_each(
        scored, {"": weights}, comparisons=comparisons, aggregation=aggregation, ties=ties
    )
    return every[""]


def rank_each(
    scored: pl.DataFrame,
    variants: Mapping[str, Mapping[str, float]],
    *,
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
    aggregation: str | Aggregation = WIN_RATE,
    ties: str = "competition",
) -> dict[str, Ranking]:
    """:func:`rank` by several weights, whose scores are checked once.

    Args:
        variants: name → weights.

    Returns:
        Name → what ``rank`` gives for its weights; raises as that.
    """
    if isinstance(aggregation, str):
        _require_known("aggregation", aggregation, tuple(AGGREGATIONS))
        aggregation = AGGREGATIONS[aggregation]
    _require_known("way to rank ties", ties, TIES)
    for weights in variants.values():
        sources = [name for name in weights if name in comparisons]
        if sources:
            require_comparing(aggregation, sources)
        require_judges(scored, list(weights), comparisons)
        exact_weights(weights)
    if variants:
        names = dict.fromkeys(name for weights in variants.values() for name in weights)
        require_scored(scored, list(names), comparisons)
    return {
        name: _rank_checked(scored, weights, comparisons, aggregation, ties)
        for name, weights in variants.items()
    }


def _rank_checked(
    scored: pl.DataFrame,
    weights: Mapping[str, float],
    comparisons: Mapping[str, Comparisons],
    aggregation: Aggregation,
    ties: str,
) -> Ranking:
    sources = {name: comparisons[name] for name in weights if name in comparisons}
    exact = exact_weights(weights)
    found = eligible_of_checked(scored, list(weights), sources)
    exact.require_exact(int(found.sizes.max(initial=0)))
    ready, unconnected = _judged(found, aggregation)

    size = len(ready.table)
    reward_wins = np.empty((len(ready.rewards), size), np.int32)
    preference = np.empty(size, np.float64)
    ranks = np.empty(size, np.int32)
    id_places = _places(ready.table["candidate_id"]) if ties == "ordinal" else None
    tied_prompts = 0
    for block in ready.blocks(_taking_part(ready, aggregation)):
        rows = block.rows
        result = _preference(aggregation, block, weights)
        reward_wins[:, rows] = count_below(block.scores)
        preference[rows] = result.value
        ranks[rows] = _ranks(result.order, None if id_places is None else id_places[rows])
        in_order = np.sort(result.order, axis=0)
        tied_prompts += int((in_order[1:] == in_order[:-1]).any(axis=0).sum())

    wins = dict(zip(ready.rewards, reward_wins, strict=True)) | {
        name: one.wins() * one.every_pair.repeat(ready.sizes) for name, one in ready.located.items()
    }
    in_order_of_weights = np.stack([wins[name] for name in weights])
    return Ranking(
        table=ready.table.with_columns(
            *(_wins_column(name, wins[name], ready) for name in weights),
            pl.Series("wins", exact.in_weights(weighted_sum(exact.integers, in_order_of_weights))),
            pl.Series("preference", preference),
            pl.Series("rank", ranks),
        ),
        weights=dict(weights),
        aggregation=aggregation.name,
        aggregation_from=aggregation.recorded,
        ties=ties,
        counts=Counts(
            candidates=len(scored),
            incomplete=len(scored) - found.complete_candidates + unconnected,
            prompts=found.prompts,
            prompts_below_two=found.prompts - len(found.sizes),
            kept_prompts=len(ready.sizes),
            kept_candidates=size,
            tied_prompts=tied_prompts,
            without_preference=len(found.sizes) - len(ready.sizes),
        ),
        comparisons=sources,
        absent={
            name: len(found.sizes) - int(has.sum())
            for name, has in _taking_part(ready, aggregation).items()
        },
    )


def require_comparing(aggregation: Aggregation, sources: Iterable[str]) -> None:
    """Refuse an aggregation that cannot rank by comparisons.

    Args:
        sources: the comparisons that are to rank.

    Raises:
        RankingError: naming the aggregations of synpic that can.
    """
    if aggregation.takes_comparisons:
        return
    able = ", ".join(name for name, one in AGGREGATIONS.items() if one.takes_comparisons)
    raise RankingError(
        f"aggregation {aggregation.name!r} ranks by scores, and {', '.join(sources)} compares "
        "pairs of images",
        hint=f"choose one of {able}; or leave {', '.join(sources)} out of ranking.rewards",
    )


def _taking_part(ready: Eligible, aggregation: Aggregation) -> dict[str, Booleans]:
    """Source → ``Bool[prompts]``: where it takes part."""
    return ready.every_pair if aggregation.of_shares is None else ready.any_pair


def _judged(found: Eligible, aggregation: Aggregation) -> tuple[Eligible, int]:
    """What is left where comparisons alone rank, and how many candidates none connects."""
    if found.rewards:
        return found, 0
    compared = np.stack(list(_taking_part(found, aggregation).values())).any(axis=0)
    of_compared = compared.repeat(found.sizes)
    if aggregation.of_shares is None:
        return found.of_rows(of_compared), 0
    connected = largest_part(found.located.values(), found.sizes)
    return found.of_rows(connected), int((of_compared & ~connected).sum())


def _preference(
    aggregation: Aggregation, block: PromptBlock, weights: Mapping[str, float]
) -> Preference:
    # What takes no part has no weight: a prompt without people is ranked as by rewards alone.
    judges = [*block.rewards, *block.compared]
    integers = exact_weights({name: weights[name] for name in judges}).integers
    if not block.compared:
        return aggregation.function(block.scores, integers)
    of_rewards, compared = signs(block.scores), block.compared.values()
    if aggregation.of_signs is not None:
        of_people = [one.signs(block.rows) for one in compared]
        return aggregation.of_signs(np.stack([*of_rewards, *of_people]), integers)
    assert aggregation.of_shares is not None, "require_comparing refuses others"
    diagonal = np.arange(len(block.rows))
    shares = (1 + of_rewards) / 2
    shares[:, diagonal, diagonal] = np.nan
    given = [one.shares(block.rows) for one in compared]
    return aggregation.of_shares(np.stack([*shares, *given]), integers)


def _wins_column(name: str, wins: npt.NDArray[np.int32], ready: Eligible) -> pl.Series:
    column = pl.Series(f"wins_{name}", wins, dtype=pl.Int32)
    if name in ready.located:
        whole = pl.Series(ready.located[name].every_pair.repeat(ready.sizes))
        column = column.zip_with(whole, pl.Series([None] * len(column), dtype=pl.Int32))
    return column


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
