"""Which pairs of images a recipe's comparers are to compare."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.errors import RewardError, SynpicError
from synpic.pipeline.cuts import rankable
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.ranking import aggregation_of
from synpic.rank import rank
from synpic.readers.display import count
from synpic.recipe import RewardSettings

__all__ = ["WantedPairs", "count_pairs", "wanted_pairs"]

_COLUMNS = ("candidate_id", "sha256", "prompt_id", "prompt", "nth")


@dataclass(frozen=True, eq=False)
class WantedPairs:
    """The pairs that one comparer is to compare.

    Args:
        table: prompt_id, prompt, left, right (candidate ids, left < right), sha256_left and
            sha256_right; those of a prompt together, prompts about as their images lie on the disk.
        waiting: prompts with two images whose neighbours are not known yet: a reward has not scored
            all images.
    """

    table: pl.DataFrame
    waiting: int = 0

    def require_any(self, name: str) -> None:
        """Refuse to begin where all prompts wait.

        Raises:
            RewardError: naming the comparer.
        """
        if self.waiting and self.table.is_empty():
            raise RewardError(
                f"rewards.{name} compares neighbours in the ranking by the rewards that give "
                f"scores, and of {count(self.waiting, 'prompt')} none has all of them",
                hint="run `synpic score` without --only: it scores first, then compares",
            )


def wanted_pairs(
    inventory: Inventory, settings: RewardSettings, scored: pl.DataFrame
) -> WantedPairs:
    """The pairs of the images that are there, and ranked, that a comparer is to compare.

    Args:
        settings: of the comparer.
        scored: what ``Inventory.scored`` gave.

    Raises:
        SynpicError: what is dropped cannot be read, nothing is left, or the rewards do not rank.
    """
    snapshot = inventory.snapshot
    rows = rankable(snapshot, scored).rows.with_row_index("nth")
    if settings.pairs == "all":
        return WantedPairs(_pairs(rows, rows.select("candidate_id", "nth")))
    ordered, waiting = _in_order_of_rank(inventory, rows)
    return WantedPairs(_pairs(rows, ordered, neighbours=True), waiting)


def count_pairs(settings: RewardSettings, images: pl.Series) -> int:
    """How many pairs prompts with these numbers of ``images`` have, once all are scored."""
    if settings.pairs == "all":
        return int((images * (images - 1) // 2).sum())
    return int((images - 1).clip(lower_bound=0).sum())


def _in_order_of_rank(inventory: Inventory, rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Candidates with a place, ``nth``, that rises with their rank within the prompt.

    Prompts with an image that lacks a score of a reward that ranks are left out, and counted: its
    neighbours would be others as soon as it has one.
    """
    recipe = inventory.recipe
    ranking = {name: weight for name, weight in recipe.weights.items() if name in recipe.scoring}
    weights = ranking or {name: one.weight for name, one in recipe.scoring.items()}
    known = [name for name in weights if f"score_{name}" in rows.columns]
    if len(known) < len(weights):
        (missing, *_) = [name for name in weights if name not in known]
        found = inventory.unresolved.get(f"rewards.{missing}")
        raise found or SynpicError(f"rewards.{missing} has no scores here")
    scores = [f"score_{name}" for name in weights]
    whole = pl.all_horizontal(pl.col(name).is_not_null().all().over("prompt_id") for name in scores)
    several = pl.len().over("prompt_id") > 1
    open_ = rows.filter(~whole & several)["prompt_id"].n_unique()
    complete = rows.filter(whole & several)
    if complete.is_empty():
        return rows.head(0).select("candidate_id", "nth"), open_
    table = rank(complete, weights, aggregation=aggregation_of(inventory.snapshot)).table
    placed = table.sort("prompt_id", "rank", "model", "sample", "candidate_id")
    return placed.select("candidate_id").with_row_index("nth"), open_


def _pairs(rows: pl.DataFrame, places: pl.DataFrame, neighbours: bool = False) -> pl.DataFrame:
    """Every two candidates of a prompt of those in ``places``; or, of these, neighbours alone."""
    sides = rows.select(_COLUMNS).join(places.rename({"nth": "place"}), on="candidate_id")
    sides = sides.with_columns(pl.col("nth").min().over("prompt_id").alias("of_prompt"))
    if neighbours:
        later = sides.with_columns(pl.col("place") - 1)
        joined = sides.join(later, on=["prompt_id", "place"], suffix="_other")
    else:
        joined = sides.join(sides, on="prompt_id", suffix="_other")
        joined = joined.filter(pl.col("candidate_id") < pl.col("candidate_id_other"))
    one, other = pl.col("candidate_id"), pl.col("candidate_id_other")
    in_order = pl.when(one < other)
    first, second = pl.col("sha256"), pl.col("sha256_other")
    return joined.sort("of_prompt", "nth", "nth_other").select(
        "prompt_id",
        "prompt",
        in_order.then(one).otherwise(other).alias("left"),
        in_order.then(other).otherwise(one).alias("right"),
        in_order.then(first).otherwise(second).alias("sha256_left"),
        in_order.then(second).otherwise(first).alias("sha256_right"),
    )
