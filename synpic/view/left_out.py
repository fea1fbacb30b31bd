"""What a release leaves out: shown on the page with the reason, beside what it has."""

from __future__ import annotations

import polars as pl

from synpic.errors import RankingError, RecipeError
from synpic.pipeline.cuts import Cuts, choose
from synpic.pipeline.ranking import RankedSet
from synpic.prompts.meta import in_published_types
from synpic.rank import first
from synpic.recipe import Recipe

__all__ = ["left_out_images", "released_prompts"]

_OF_PROMPTS = {"where", "min_margin", "min_agreement"}


def left_out_images(ranked: RankedSet, recipe: Recipe) -> pl.DataFrame:
    """candidate_id and ``left_out``, the reason, of images that a release would not rank or have.

    Args:
        ranked: without the cuts of ``recipe`` that come after ranking.
    """
    found = []
    if ranked.dropped is not None:
        reason = f"dropped before ranking, by {ranked.dropped.named.source}"
        found.append(_with(ranked.dropped.rows, reason))
    if ranked.left_out is not None:
        found.append(_with(ranked.left_out, "flagged, and left out before ranking"))
    if (top := Cuts.of(recipe).top) is not None:
        table = ranked.ranking.table
        later = table.join(first(table, top).select("candidate_id"), on="candidate_id", how="anti")
        found.append(_with(later, f"not among the first {top}, which a release has"))
    schema = {"candidate_id": pl.String(), "left_out": pl.String()}
    return pl.concat([pl.DataFrame(schema=schema), *found]).unique("candidate_id", keep="first")


def released_prompts(ranked: RankedSet, recipe: Recipe) -> pl.Series | None:
    """The prompts that the cuts of ``recipe`` let pass; None where no rule chooses among prompts.

    A condition that is none leaves no prompt: ``synpic validate`` says what is wrong with it.
    """
    cuts = Cuts.of(recipe)
    if not _OF_PROMPTS & cuts.given.keys():
        return None
    prompts = in_published_types(ranked.inventory.prompts)
    try:
        chosen = choose(ranked.scored, ranked.ranking, cuts, prompts)
    except (RecipeError, RankingError):
        return pl.Series(dtype=pl.String())
    return chosen.ranking.table["prompt_id"].unique()


def _with(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    return rows.select("candidate_id", left_out=pl.lit(reason, pl.String()))
