"""Candidates that no reward ranks, for pairs that came with labels and need no ranking."""

from __future__ import annotations

import polars as pl

from synpic.errors import RankingError, RecipeError
from synpic.pipeline.cuts import Cuts, drop_candidates, read_drop
from synpic.pipeline.inventory import Inventory
from synpic.rank import Counts, Ranking

__all__ = ["NO_RANKING", "unranked_candidates"]

_COLUMNS = {
    **dict.fromkeys(("prompt_id", "candidate_id", "model"), pl.String),
    **dict.fromkeys(("wins", "preference"), pl.Float64),
    "rank": pl.Int32,
}

NO_RANKING = Ranking(
    table=pl.DataFrame(schema=_COLUMNS),
    weights={},
    aggregation="none",
    ties="competition",
    counts=Counts(0, 0, 0, 0, 0, 0, 0),
)
"""Of a recipe without rewards: nothing is ranked."""


def unranked_candidates(inventory: Inventory) -> pl.DataFrame:
    """Every candidate that is there, but for those that ``drop`` or ``flagged`` takes out.

    Raises:
        RecipeError: a cut needs a ranking, or cannot be made.
        RankingError: nothing is there, or left.
    """
    cuts = Cuts.of(inventory.recipe)
    needing = [name for name in cuts.given if name != "drop"]
    if needing:
        raise RecipeError(
            f"{', '.join(needing)}: these cuts choose among rankings, and the recipe has no "
            "[rewards.NAME]",
            hint="leave them out, or add a reward and run `synpic score`",
        )
    scored = inventory.scored()
    if cuts.drop is not None and scored.height:
        scored, _ = drop_candidates(scored, read_drop(inventory.workspace, cuts.drop))
    if inventory.recipe.records.flagged == "leave-out":
        scored = scored.filter(~pl.col("flagged").fill_null(False))
    if scored.is_empty():
        raise RankingError(
            f"{inventory.workspace.store} holds no image that the recipe wants",
            hint="run `synpic generate`",
        )
    return scored
