"""The prompts of a ranking that pass every rule of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from synpic.errors import RankingError
from synpic.pipeline.cuts.condition import require_condition
from synpic.pipeline.cuts.settings import Cuts
from synpic.rank import Ranking, agreement_by_prompt, margin_by_prompt
from synpic.readers.display import count

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is left of a ranking.

    Args:
        scored: the candidates of the prompts that are left.
        ranking: of those prompts; its counts are of all that were ranked.
        cut: rule → how many ranked prompts it leaves out that the rules before it do not, in the
            order where, min_margin, min_agreement; only rules that there are.
        unranked: how many prompts without a ranking the rules leave out.
    """

    scored: pl.DataFrame
    ranking: Ranking
    cut: Mapping[str, int] = field(default_factory=dict)
    unranked: int = 0


def choose(scored: pl.DataFrame, ranking: Ranking, cuts: Cuts, prompts: pl.DataFrame) -> Chosen:
    """Leave out the prompts that a rule does not let pass.

    A prompt whose condition is null does not pass, and under ``min_margin`` or ``min_agreement``
    neither does one that has none: a prompt without a ranking, or in which no two rewards tell
    images apart.

    Args:
        scored: the candidates that were given to ``rank``.
        prompts: prompt_id, and the other columns that a condition may name.

    Raises:
        RecipeError: the condition is none.
        RankingError: no ranked prompt is left.
    """
    rules = {name: rule for name, rule in cuts.given.items() if name not in ("drop", "top")}
    if not rules:
        return Chosen(scored, ranking)
    passing: dict[str, pl.Series] = {}
    if cuts.where is not None:
        passing["where"] = prompts["prompt_id"].filter(require_condition(cuts.where, prompts))
    if cuts.min_margin is not None:
        margins = margin_by_prompt(ranking.table)
        passing["min_margin"] = margins.filter(pl.col("margin") >= cuts.min_margin)["prompt_id"]
    if cuts.min_agreement is not None:
        taus = agreement_by_prompt(scored, list(ranking.weights), ranking.comparisons)
        agreeing = taus.filter(pl.col("agreement") >= cuts.min_agreement)
        passing["min_agreement"] = agreeing["prompt_id"]
    ranked = ranking.table["prompt_id"].unique()
    left, scored_prompts = ranked, scored["prompt_id"].unique()
    before = scored_prompts.len()
    cut: dict[str, int] = {}
    for name, ids in passing.items():
        passed = left.filter(left.is_in(ids.implode()))
        cut[name] = left.len() - passed.len()
        left, scored_prompts = passed, scored_prompts.filter(scored_prompts.is_in(ids.implode()))
    if left.is_empty():
        losses = ", ".join(
            f"{name} = {rules[name]!r} leaves out {number:,}" for name, number in cut.items()
        )
        raise RankingError(
            f"no prompt is left of {count(ranked.len(), 'ranked prompt')}: {losses}",
            hint="ask for less in [records]; `synpic rank` without the rule shows what there is",
        )
    return Chosen(
        scored=_of(scored, scored_prompts),
        ranking=replace(ranking, table=_of(ranking.table, left)),
        cut=cut,
        unranked=before - scored_prompts.len() - (ranked.len() - left.len()),
    )


def _of(rows: pl.DataFrame, prompts: pl.Series) -> pl.DataFrame:
    return rows.join(
        prompts.to_frame("prompt_id"), on="prompt_id", how="semi", maintain_order="left"
    )
