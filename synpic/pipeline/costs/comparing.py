"""Pairs for comparers: counted, and a few of them timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from synpic.engine.shard import WHOLE
from synpic.engine.task import Item, Row, Task
from synpic.errors import SynpicError
from synpic.pipeline.costs.calibration import Timing
from synpic.pipeline.costs.plan import CostItem
from synpic.pipeline.costs.samples import InMemory, as_candidates
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.pairs import count_pairs, wanted_pairs
from synpic.recipe import Recipe
from synpic.score.comparer import WantedComparer
from synpic.score.comparing_task import comparing_task
from synpic.score.prefetch import PrefetchedImages

__all__ = ["Calibrate", "comparing_items", "images_for_pairs"]

Calibrate = Callable[[Task, Sequence[list[Item]]], tuple[Timing | None, SynpicError | None]]
"""A task and batches of it → how long they took, or why they could not be timed."""

_DISTINCT = 8
"""Images that pairs are made of: as in real work, an image is in several of them."""


def images_for_pairs(recipe: Recipe) -> int:
    """How many images of all models comparers need to be timed on."""
    return _DISTINCT if recipe.comparers else 0


def comparing_items(
    inventory: Inventory, images: Sequence[Row], calibrate: Calibrate | None
) -> Iterator[CostItem]:
    """An item for each comparer: pairs of all images that are wanted, as if none failed.

    Args:
        images: that were drawn, or are stored; pairs of them are timed.
        calibrate: None where nothing is to be timed.
    """
    recipe = inventory.recipe
    if not recipe.comparers:
        return
    of_prompts = inventory.wanted_candidates().group_by("prompt_id").len()["len"]
    scored = inventory.scored()
    missing = inventory.unresolved_of("rewards")
    for name, settings in recipe.comparers.items():
        wanted, size = count_pairs(settings, of_prompts.cast(pl.Int64)), settings.batch_size
        found = next((one for one in inventory.found_comparers if one.name == name), None)
        if found is None:
            problem = missing.get(name)
            yield CostItem("compare", name, None, size, wanted, wanted, wanted, problem=problem)
            continue
        try:
            pairs = wanted_pairs(inventory, settings, scored).table
        except SynpicError:
            pairs = _NO_PAIRS  # Nothing is drawn or scored yet.
        nothing = PrefetchedImages(InMemory({}))
        begun = comparing_task(inventory.workspace, found, pairs, nothing, WHOLE, False)
        left = max(0, wanted - begun.counts.already)
        timing, problem = _timed(inventory, found, images, calibrate)
        yield CostItem("compare", name, None, size, wanted, left, left, None, timing, problem)


_NO_PAIRS = pl.DataFrame(
    schema=dict.fromkeys(
        ("prompt_id", "prompt", "left", "right", "sha256_left", "sha256_right"), pl.String
    )
)


def _timed(
    inventory: Inventory,
    comparer: WantedComparer,
    images: Sequence[Row],
    calibrate: Calibrate | None,
) -> tuple[Timing | None, SynpicError | None]:
    if calibrate is None or len({row["sha256"] for row in images}) < 2:
        return None, None
    candidates, encoded = as_candidates(images, inventory.prompts, _DISTINCT)
    ready = PrefetchedImages(InMemory(encoded))
    pairs = _every_two(candidates)
    task = comparing_task(inventory.workspace, comparer, pairs, ready, WHOLE, True)
    return calibrate(task, task.batches)


def _every_two(candidates: pl.DataFrame) -> pl.DataFrame:
    """Pairs of different images, of one prompt or not: for how long they take it is all one."""
    both = candidates.join(candidates, how="cross", suffix="_other")
    return both.filter(
        (pl.col("candidate_id") < pl.col("candidate_id_other"))
        & (pl.col("sha256") != pl.col("sha256_other"))
    ).select(
        "prompt_id",
        "prompt",
        left="candidate_id",
        right="candidate_id_other",
        sha256_left="sha256",
        sha256_right="sha256_other",
    )
