"""Counting what a recipe wants and what is left, and timing each of it on a few images."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import polars as pl

from synpic.engine.device import describe_device
from synpic.engine.progress import Listener
from synpic.engine.shard import WHOLE
from synpic.engine.task import Item, Row, Task
from synpic.engine.workers.engines import Engine
from synpic.errors import CheckpointError, Stopped, SynpicError
from synpic.generate.drawing_task import drawing_task, items_of
from synpic.generate.image_bytes import MeanBytes, mean_bytes
from synpic.generate.image_model import Model, sizes_of
from synpic.generate.recorded import RecordedModel
from synpic.ingest import IngestedImages, ingest_task
from synpic.pipeline.costs.calibration import Timing, time_task
from synpic.pipeline.costs.comparing import comparing_items, images_for_pairs
from synpic.pipeline.costs.judging import judging_items
from synpic.pipeline.costs.plan import CostItem, CostPlan
from synpic.pipeline.costs.samples import InMemory, as_candidates, stored
from synpic.pipeline.inventory import Inventory, WantedModel, take_inventory
from synpic.pipeline.list_overlaps import list_overlaps
from synpic.readers.display import count
from synpic.recipe import Recipe
from synpic.recipe.settings import written_size
from synpic.score.prefetch import PrefetchedImages
from synpic.score.reward import WantedReward
from synpic.score.scoring_task import scoring_task
from synpic.workspace import Snapshot, Workspace

__all__ = ["plan_costs"]

DOUBTFUL = 0.2
"""A spread that a mean of a few batches does not tell much of."""


def plan_costs(
    workspace: Workspace | Snapshot,
    *,
    calibrate: bool = True,
    batches: int = 2,
    rewards: bool = True,
    device: str | None = None,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> CostPlan:
    """Count what the recipe wants and what is left, and time each model and reward on a few images.

    Written are ``prompts.parquet`` and ``recipe.lock`` alone, as by any first look at a workspace;
    images that are drawn here are scored, and dropped.

    Args:
        calibrate: open models and rewards and time them; else there are counts and bytes alone.
        batches: to time, of each, after one to warm up.
        rewards: time them, comparers and judges too.
        device: as torch names it; the first accelerator, else the CPU, if None.
        listener: receives progress.
        stop: when set, the current batch is the last.

    Returns:
        The plan. What cannot be opened is named in its item, and does not stop the others.

    Raises:
        RecipeError, UnknownName, PromptError, IngestError: the recipe cannot be followed.
        Stopped: ``stop`` was set.
        ValueError: no batch is to be timed.
    """
    if batches < 1:
        raise ValueError(f"{batches} batches to time: at least one is needed")
    inventory = take_inventory(workspace, listener)
    recipe = inventory.recipe
    if not inventory.found_models:
        for error in inventory.unresolved_of("models").values():
            if not isinstance(error, CheckpointError):
                raise error
    devices = Engine().devices(device) if calibrate else []
    run = _Calibration(devices[0] if devices else None, batches, listener, stop)
    run.keep = _images_to_score(recipe, run) if rewards else 0
    items = [_drawing_item(inventory, model, run) for model in inventory.found_models]
    for name, error in inventory.unresolved_of("models").items():
        items += _unresolved_models(inventory, name, error)
    images = sum(item.wanted for item in items)
    candidates = inventory.candidates()
    # Of an image that failed for good there will be no score.
    to_score = candidates.height + sum(item.left for item in items)
    if calibrate and not run.kept:
        run.kept = stored(inventory, candidates, run.keep)
    for reward in inventory.found_rewards:
        items.append(_scoring_item(inventory, reward, candidates, images, to_score, run, rewards))
    for name, error in inventory.unresolved_of("rewards").items():
        if name in recipe.scoring:
            size = recipe.scoring[name].batch_size
            items.append(
                CostItem("score", name, None, size, images, to_score, to_score, problem=error)
            )
    items += comparing_items(inventory, run.kept, run.run if rewards else None)
    items += judging_items(
        inventory,
        candidates,
        images,
        to_score,
        run.kept,
        run.run if rewards and calibrate else None,
        run.batches,
    )
    stages: dict[str, tuple[int, Collection[str]]] = {
        "score": (1, recipe.scoring),
        "compare": (2, recipe.comparers),
        "judge": (3, recipe.judges),
    }

    def place(item: CostItem) -> tuple[int, int]:
        stage, names = stages.get(item.stage, (0, recipe.models))
        return stage, [*names].index(item.name) if item.name in names else 0

    items.sort(key=place)
    return CostPlan(
        prompts=inventory.prompts.height,
        device=describe_device(run.device) if run.device else None,
        items=items,
        configs=recipe.records.configs,
        pairs=recipe.records.pairs,
        devices=max(1, len(devices)),
        notes=[
            *(note for item in items for note in _notes(item)),
            *_doubts(items),
            *filter(None, map(str, list_overlaps(inventory.snapshot, inventory.prompts))),
        ],
    )


class _Calibration:
    """Times tasks on one device, and holds the images that came of them.

    Args:
        device: None where nothing is to be timed.
        batches: to time, of each.
    """

    def __init__(
        self,
        device: str | None,
        batches: int,
        listener: Listener | None,
        stop: threading.Event | None,
    ) -> None:
        self.device, self.batches = device, batches
        self.keep = 0
        """So many images of each model, for rewards to score."""
        self.kept: list[Row] = []
        self._listener, self._stop = listener, stop

    def run(
        self, task: Task, batches: Sequence[list[Item]], keep: int = 0
    ) -> tuple[Timing | None, SynpicError | None]:
        """Time ``task`` on the largest of ``batches``, over again where there are too few."""
        if self.device is None or not batches:
            return None, None
        largest = max(map(len, batches))
        batches = [batch for batch in batches if len(batch) == largest]
        chosen = list(_over_again(batches, self.batches + 1))
        try:
            timing, rows = time_task(task, chosen, self.device, keep, self._listener, self._stop)
        except Stopped:
            raise
        except SynpicError as error:
            return None, error
        self.kept += rows
        return timing, None


def _over_again(batches: Sequence[list[Item]], count: int) -> Iterator[list[Item]]:
    """So many batches. Those that come again have other texts: they would be remembered."""
    for number in range(count):
        again, place = divmod(number, len(batches))
        yield [
            replace(item, prompt=f"{item.prompt} {again}") if again and item.prompt_id else item
            for item in batches[place]
        ]


def _images_to_score(recipe: Recipe, run: _Calibration) -> int:
    """How many images of each model the rewards and judges need to be timed on."""
    sizes = [reward.batch_size for reward in recipe.scoring.values()]
    sizes += [judge.batch_size for judge in recipe.judges.values()]
    largest = max(sizes, default=0)
    largest = max(largest, images_for_pairs(recipe))
    return math.ceil(largest * (run.batches + 1) / max(1, len(recipe.models)))


def _drawing_item(inventory: Inventory, model: WantedModel, run: _Calibration) -> CostItem:
    snapshot = inventory.snapshot
    want = model.wanted(snapshot.recipe, inventory.prompts)
    size, batch_size = None, None
    if isinstance(model, Model):
        task = drawing_task(snapshot, model, want, WHOLE, retry_failed=False)
        first = want.filter(pl.col("batch") <= run.batches * model.settings.samples)
        # Of each prompt once: with the texts of the last batch at hand, the next would be quicker.
        batches = [items_of(batch) for batch in first.filter(sample=0).partition_by("batch")]
        batch_size, size = model.batch_size, model.size
        sides = model.width, model.height
        each = mean_bytes(inventory.workspace, model.folder, *sides, model.images)
    else:
        assert isinstance(model, IngestedImages), "images are drawn or ingested"
        task = ingest_task(snapshot, model, want, WHOLE, retry_failed=False)
        batches = task.batches
        each = MeanBytes(model.rows.select(pl.col("bytes").mean().fill_null(0)).item(), 0)
    timing, problem = run.run(task, batches, run.keep)
    drawn = timing.bytes_per_image if timing and not each.mean_of else None
    return CostItem(
        stage=task.stage,
        name=model.name,
        size=size,
        batch_size=batch_size,
        wanted=task.counts.wanted,
        left=len(task.todo),
        work=sum(map(len, task.batches)),
        bytes_per_image=drawn or each.bytes,
        timing=timing,
        problem=problem,
        mean_of=each.mean_of,
    )


def _unresolved_models(inventory: Inventory, name: str, error: SynpicError) -> Iterator[CostItem]:
    """Whose weights are not found; it is known that they are wanted."""
    settings = inventory.wanted_settings(name)
    images = inventory.prompts.height * settings.samples
    recorded = [one for one in inventory.models if isinstance(one, RecordedModel)]
    folders = {one.sides: one.folder for one in recorded if one.name == name}
    for width, height in sizes_of(settings):
        folder = folders.get((width, height))
        each = mean_bytes(inventory.workspace, folder, width, height, inventory.recipe.images)
        yield CostItem(
            stage="generate",
            name=name,
            size=written_size(width, height),
            batch_size=settings.batch_size,
            wanted=images,
            left=images,
            work=images,
            bytes_per_image=each.bytes,
            problem=error,
            mean_of=each.mean_of,
        )


def _scoring_item(
    inventory: Inventory,
    reward: WantedReward,
    there: pl.DataFrame,
    images: int,
    to_score: int,
    run: _Calibration,
    timed: bool,
) -> CostItem:
    workspace, size = inventory.workspace, reward.settings.batch_size
    nothing = PrefetchedImages(InMemory({}))
    begun = scoring_task(workspace, reward, there, nothing, WHOLE, retry_failed=False)
    timing = problem = None
    if timed and run.kept:
        rows, pixels = as_candidates(run.kept, inventory.prompts, size * (run.batches + 1))
        ready = PrefetchedImages(InMemory(pixels))
        task = scoring_task(workspace, reward, rows, ready, WHOLE, retry_failed=True)
        timing, problem = run.run(task, task.batches)
    left = to_score - begun.counts.already
    return CostItem("score", reward.name, None, size, images, left, left, None, timing, problem)


def _notes(item: CostItem) -> Iterator[str]:
    if item.mean_of:
        yield f"{item.label}: bytes each are the mean of {count(item.mean_of, 'image')} here"
    timing = item.timing
    if timing is None:
        return
    if timing.note:
        yield f"{item.label}: {timing.note}"
    if timing.failed:
        failed = count(timing.failed, "image")
        yield f"{item.label}: {failed} failed when it was timed: {timing.reason}"
    asked, _ = timing.batches[-1]
    if timing.batch_size < asked:
        yield (
            f"{item.label}: there is no room for a batch of {asked}; "
            f"batch_size = {timing.batch_size} saves each run the attempt"
        )


def _doubts(items: Sequence[CostItem]) -> Iterator[str]:
    """What the sums cannot be trusted for."""
    single = [i.label for i in items if i.timing and len(i.timing.batches) == 1]
    if single:
        yield f"of {', '.join(single)} one batch was timed, which says nothing of how they differ"
    doubtful = [i.label for i in items if i.timing and i.timing.spread > DOUBTFUL]
    if doubtful:
        yield (
            f"the batches of {', '.join(doubtful)} differ by more than {DOUBTFUL:.0%}: time more "
            "of them before you trust the sums"
        )
