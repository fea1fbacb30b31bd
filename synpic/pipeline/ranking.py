"""A workspace, ranked: its scores joined, checked and made into preferences."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import polars as pl

from synpic.errors import RankingError, RecipeError
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.rank import Ranking, rank
from synpic.readers.display import count, visible
from synpic.recipe import Flagged
from synpic.workspace import Snapshot, Workspace

__all__ = ["RankedSet", "rank_candidates"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RankedSet:
    """Everything known of a workspace's candidates but their pixels.

    Args:
        scored: a row per candidate, with its prompt and ``score_<reward>``.
        ranking: its result.
        left_out: the rows that are not in ``scored`` because they are flagged; None where flagged
            ones are kept.
    """

    inventory: Inventory
    scored: pl.DataFrame
    ranking: Ranking
    left_out: pl.DataFrame | None = None


def rank_candidates(
    workspace: Workspace | Snapshot, *, flagged: Flagged | None = None
) -> RankedSet:
    """Rank what a workspace holds, as its recipe says. Reads scores only; takes seconds.

    Where a model or a reward is not found, a warning is logged, and what was made of it is read.
    Another names a model that has images, and none with the recipe's present settings.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        flagged: "leave-out" ranks the others alone, so that k and φ are over what is published; as
            the recipe says, if None. What no check has seen is not flagged.

    Raises:
        RecipeError: it names no reward.
        UnknownName, CheckpointError: it names a reward that is not found and has no scores here; or
            nothing tells which of several folders are of a model or reward that is not found.
        RankingError: there is nothing to rank; the message says what is missing.
        RewardError: the scores of a reward cannot be trusted.
    """
    inventory = take_inventory(workspace)
    recipe = inventory.recipe
    if not recipe.weights:
        raise RecipeError(
            "there is nothing to rank by: the recipe has no [rewards.NAME]",
            hint="add one and run `synpic score`; `synpic list rewards` shows what there is",
        )
    inventory.require_readable(recipe.weights)
    for remark in inventory.remarks().values():
        _LOG.warning("%s", visible(remark))
    scored = inventory.scored()
    if scored.is_empty():
        raise RankingError(
            f"there is nothing to rank: {inventory.workspace.store} holds no image that the "
            "recipe wants",
            hint="run `synpic generate`, then `synpic score`",
        )
    left_out: pl.DataFrame | None = None
    if (flagged or recipe.records.flagged) == "leave-out":
        is_flagged = pl.col("flagged").fill_null(False)
        left_out, scored = scored.filter(is_flagged), scored.filter(~is_flagged)
        if scored.is_empty():
            raise RankingError(
                f"there is nothing to rank: all {count(left_out.height, 'image')} are flagged",
                hint="look at [safety] in the recipe, or keep what is flagged",
            )
    for name in recipe.weights:
        if scored[f"score_{name}"].count() == 0:
            raise RankingError(
                f"there is nothing to rank by: reward {name!r} has scored none of "
                f"{count(scored.height, 'image')}",
                hint="run `synpic score`, or leave the reward out of ranking.rewards",
            )
    settings = recipe.ranking
    ranking = rank(scored, recipe.weights, aggregation=settings.aggregation, ties=settings.ties)
    counts = ranking.counts
    if counts.kept_prompts == 0:
        raise RankingError(
            f"there is nothing to rank: of {count(counts.prompts, 'prompt')} none has two images "
            "with all scores "
            f"({counts.incomplete:,} of {count(counts.candidates, 'image')} lack one)",
            hint="`synpic status` says what is missing; run `synpic generate` and `synpic score`",
        )
    return RankedSet(inventory, scored, ranking, left_out)
