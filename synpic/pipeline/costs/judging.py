"""Images for judges: counted, and a few of them timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from synpic.engine.shard import WHOLE
from synpic.engine.task import Row
from synpic.errors import EvaluationError, SynpicError
from synpic.pipeline.costs.calibration import Timing
from synpic.pipeline.costs.comparing import Calibrate
from synpic.pipeline.costs.plan import CostItem
from synpic.pipeline.costs.samples import InMemory, as_candidates
from synpic.pipeline.inventory import Inventory
from synpic.score.judges.wanted import WantedJudge
from synpic.score.judging_task import judging_task
from synpic.score.prefetch import PrefetchedImages

__all__ = ["judging_items"]


def judging_items(
    inventory: Inventory,
    there: pl.DataFrame,
    wanted: int,
    to_judge: int,
    images: Sequence[Row],
    calibrate: Calibrate | None,
    batches: int,
) -> Iterator[CostItem]:
    """An item for each judge.

    Args:
        there: the candidates that there are.
        wanted: images in all.
        to_judge: those that are there, or still to be made.
        images: that were drawn, or are stored; some of them are timed.
        calibrate: None where nothing is to be timed.
        batches: to time.
    """
    everything = inventory.wanted_candidates()
    not_asked = everything.height - inventory.judged(everything).height
    wanted, to_judge = wanted - not_asked, max(0, to_judge - not_asked)
    there = inventory.judged(there)
    missing = inventory.unresolved_of("judges")
    for name, settings in inventory.recipe.judges.items():
        size, left = settings.batch_size, to_judge
        problem, timing = missing.get(name), None
        judge = next((one for one in inventory.found_judges if one.name == name), None)
        if judge is not None:
            try:
                nothing = PrefetchedImages(InMemory({}))
                suite, workspace = inventory.suite, inventory.workspace
                begun = judging_task(workspace, judge, there, suite, nothing, WHOLE, False)
                left = to_judge - begun.counts.already
                if calibrate is not None and images:
                    timing, problem = _timed(inventory, judge, images, calibrate, batches)
            except EvaluationError as error:
                problem = error
        yield CostItem("judge", name, None, size, wanted, left, left, None, timing, problem)


def _timed(
    inventory: Inventory,
    judge: WantedJudge,
    images: Sequence[Row],
    calibrate: Calibrate,
    batches: int,
) -> tuple[Timing | None, SynpicError | None]:
    # As many as are timed: batches that come again have other prompts, which may mean nothing.
    number = judge.settings.batch_size * (batches + 1)
    rows, pixels = as_candidates(images, inventory.prompts, number)
    ready = PrefetchedImages(InMemory(pixels))
    task = judging_task(inventory.workspace, judge, rows, inventory.suite, ready, WHOLE, True)
    return calibrate(task, task.batches)
