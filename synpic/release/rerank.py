"""A release, ranked in another way from its scores alone: no image is read or downloaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from synpic.errors import ReleaseError, did_you_mean
from synpic.rank import Ranking, agreement, rank, win_rate_by_model
from synpic.recipe.aggregation import find_aggregation
from synpic.release.compared import COMPARED, SHARE, read_compared
from synpic.release.rule import published_aggregation
from synpic.release.source import Published

__all__ = ["Reranked", "rerank"]

_SCORE = "score_"


@dataclass(frozen=True, eq=False)
class Reranked:
    """Another ranking of a release, beside the one that was published.

    Args:
        release: whose scores these are.
        scores: its ``scores``, of the models that took part, with ``preference`` and ``rank`` of
            this ranking in place of the published ones, and so ``wins_<reward>``: null of rewards
            that do not rank. Lists of what was compared are not among its columns.
        ranking: of those images.
        tau: Kendall's τ-b of the two rankings, a mean over prompts; over the images that are in
            both, and the prompts in which both tell two of them apart. None where there is none.
        prompts: how many prompts are in both rankings.
        best_changed: in how many of them other images hold rank 1 than were published there. A
            best image whose model was left out counts as changed.
    """

    release: Published
    scores: pl.DataFrame = field(repr=False)
    ranking: Ranking
    tau: float | None
    prompts: int
    best_changed: int

    def as_dict(self) -> dict[str, Any]:
        """What there is to say of it, as JSON-like data."""
        return {
            "release": self.release.name,
            "revision": self.release.revision,
            "aggregation": self.ranking.aggregation,
            "ties": self.ranking.ties,
            "weights": dict(self.ranking.weights),
            "prompts": self.prompts,
            "tau": self.tau,
            "best_changed": self.best_changed,
            "models": win_rate_by_model(self.ranking).to_dicts(),
        }


def rerank(
    release: Published,
    *,
    aggregation: str | None = None,
    ties: str | None = None,
    weights: Mapping[str, float] | None = None,
    rewards: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    without_rewards: Sequence[str] = (),
    without_models: Sequence[str] = (),
) -> Reranked:
    """Rank a release anew. What is not given is as it was published.

    With nothing given, wins, preference and rank are exactly those that were published.

    Args:
        release: from ``open_release``; it must have the config ``scores``.
        aggregation: a registered name, or ``package.module:callable``, also of a module in the
            working directory.
        ties: as for :func:`synpic.rank.rank`.
        weights: of some rewards; the others keep theirs. A reward that was scored and did not rank
            takes part when it is given a weight.
        rewards: which take part; one that did not rank before weighs 1, if ``weights`` says
            nothing else.
        models: whose images take part; all if None.
        without_rewards, without_models: of these, the ones that do not.

    Raises:
        ReleaseError: the release has no ``scores``, or no such reward or model; or its own
            aggregation is to rank it, and is not installed.
        UnknownName: there is no such aggregation.
        RankingError: no ranking comes of it.
        RewardError: the scores of a reward cannot be trusted.
        HubUnreachable: the Hub did not answer.
    """
    published = release.manifest.ranking
    if aggregation is None:
        rule = published_aggregation(published, release.name)
    else:
        rule = find_aggregation(aggregation, os.curdir)
    scores = release.table("scores")
    comparisons = read_compared(scores, published.comparisons, release.name)
    scores = scores.drop(name for name in scores.columns if name.startswith((COMPARED, SHARE)))
    chosen = _weights(release, scores, published.weights, weights or {}, rewards, without_rewards)
    kept = _of_models(release, scores, models, without_models)
    ranking = rank(
        kept,
        chosen,
        comparisons=comparisons,
        aggregation=rule,
        ties=ties or published.ties,
    )
    if ranking.table.is_empty():
        raise ReleaseError(
            f"{release.name}: no prompt is left with two images to rank",
            hint="leave out fewer models or rewards",
        )
    wins = [name for name in ranking.table.columns if name.startswith("wins_")]
    new = ranking.table.select(
        "candidate_id",
        pl.col("preference").cast(pl.Float32),
        pl.col("rank").cast(pl.Int32),
        *wins,
    )
    # Wins of a reward are counted anew as well: where images are left out, they are fewer.
    stale = [name for name in kept.columns if name.startswith("wins_") and name not in wins]
    columns = kept.columns + [name for name in wins if name not in kept.columns]
    table = (
        kept.with_columns(pl.lit(None, kept.schema[name]).alias(name) for name in stale)
        .drop(name for name in new.columns if name != "candidate_id" and name in kept.columns)
        .join(new, on="candidate_id", how="left", maintain_order="left")
        .select(columns)
    )
    tau, prompts, changed = _compare(scores, table)
    return Reranked(release, table, ranking, tau, prompts, changed)


def _weights(
    release: Published,
    scores: pl.DataFrame,
    published: Mapping[str, float],
    weights: Mapping[str, float],
    rewards: Sequence[str] | None,
    without: Sequence[str],
) -> dict[str, float]:
    """Reward → weight, in the order of the columns of scores; then those that compare."""
    known = [name.removeprefix(_SCORE) for name in scores.columns if name.startswith(_SCORE)]
    known += release.manifest.ranking.comparisons
    chosen = {*(published if rewards is None else rewards)}
    for name in [*weights, *sorted(chosen), *without]:
        _require(release, "scores of reward", name, known)
    if rewards is None:
        chosen |= weights.keys()
    chosen -= {*without}
    for name in weights:
        if name not in chosen:
            raise ReleaseError(
                f"reward {name!r} has a weight and does not take part",
                hint="name it among the rewards, or leave its weight out",
            )
    return {name: weights.get(name, published.get(name, 1.0)) for name in known if name in chosen}


def _of_models(
    release: Published,
    scores: pl.DataFrame,
    models: Sequence[str] | None,
    without: Sequence[str],
) -> pl.DataFrame:
    known = scores["model"].unique().sort().to_list()
    for name in [*(models or ()), *without]:
        _require(release, "images of model", name, known)
    chosen = {*(known if models is None else models)} - {*without}
    return scores.filter(pl.col("model").is_in(chosen))


def _require(release: Published, what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise ReleaseError(
            f"{release.name} has no {what} {name!r}.{did_you_mean(name, known)}",
            hint=f"it has: {', '.join(known) or 'none'}",
        )


def _compare(before: pl.DataFrame, after: pl.DataFrame) -> tuple[float | None, int, int]:
    """τ-b of two rankings, how many prompts are in both, and in how many the best is another."""
    new = after.select("candidate_id", new="preference", new_rank="rank")
    both = before.join(new, on="candidate_id").drop_nulls(["rank", "new_rank"])
    orders = both.select("prompt_id", "candidate_id", score_published="preference", score_new="new")
    tau = None
    # Were all images of all prompts tied, `agreement` would not trust it for a reward.
    if min(orders[name].n_unique() for name in ("score_published", "score_new")) > 1:
        rows = agreement(orders, ["published", "new"])
        tau = rows["tau"][1]
    shared = before.drop_nulls("rank").join(
        after.drop_nulls("rank").select("prompt_id").unique(), on="prompt_id", how="semi"
    )
    was = shared.filter(pl.col("rank") == 1).select("prompt_id", "candidate_id")
    now = after.filter(pl.col("rank") == 1).select("prompt_id", "candidate_id")
    now = now.join(was.select("prompt_id").unique(), on="prompt_id", how="semi")
    differ = pl.concat(
        [was.join(now, on="candidate_id", how="anti"), now.join(was, on="candidate_id", how="anti")]
    )
    return tau, was["prompt_id"].n_unique(), differ["prompt_id"].n_unique()
