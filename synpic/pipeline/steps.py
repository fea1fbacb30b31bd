"""The steps of the main job, each a function of a workspace. The commands call these.

What :func:`generate_candidates` and :func:`score_candidates` are asked becomes a
:class:`RunOptions`, which the functions below them take. Ranking and publishing lie elsewhere
(``pipeline/ranking``, ``publish``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from synpic.engine.bars import progress_bars
from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.shard import WHOLE, Shard
from synpic.engine.task import Task
from synpic.engine.workers.engines import HERE, Engine, run_on
from synpic.ingest import ensure_index
from synpic.ingest.opening import settings_of
from synpic.pipeline.failure_examples import name_failures
from synpic.pipeline.image_scores import every_image
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.labels import settle_and_count
from synpic.pipeline.position import bias_remarks
from synpic.pipeline.tasks import (
    chosen_scorers,
    comparing_tasks,
    drawing_tasks,
    judging_tasks,
    scoring_tasks,
)
from synpic.pipeline.verdicts import verdict_remarks
from synpic.recipe.presets import preset
from synpic.score.lock_environments import lock_environments
from synpic.workspace import Snapshot, Workspace

__all__ = [
    "RunOptions",
    "generate_candidates",
    "image_scores",
    "ingest_candidates",
    "init_workspace",
    "score_candidates",
]

_READERS = 16
"""Actors that read existing images, at most: more would only wait for the same disks."""


@dataclass(frozen=True)
class RunOptions:
    """How a step is run; :func:`generate_candidates` and :func:`score_candidates` explain each."""

    only: Sequence[str] | None = None
    shard: Shard = WHOLE
    device: str | None = None
    engine: Engine = HERE
    retry_failed: bool = False
    together: bool | None = False
    listener: Listener | None = None
    stop: threading.Event | None = None


def init_workspace(
    root: str | os.PathLike[str], recipe: str | None = None, *, from_preset: str = "shapes"
) -> Workspace:
    """Begin a workspace at ``root``.

    Args:
        recipe: the text of a recipe; the preset's if None.
        from_preset: "shapes" or "syn-pic".

    Raises:
        WorkspaceError: there is one already.
        RecipeError, UnknownName: there is no such recipe.
    """
    return Workspace.create(root, preset(from_preset) if recipe is None else recipe)


def generate_candidates(
    workspace: Workspace | Snapshot,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    engine: Engine = HERE,
    retry_failed: bool = False,
    progress: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Draw every image that the recipe wants and the workspace lacks; or ingest those of a source.

    Killed at any moment and called again, it goes on; called twice at once, it shares the work.

    Args:
        workspace: or a snapshot of one: several steps of one command follow one recipe.
        only: names of models; all of the recipe's if None.
        shard: the share of the work that is ours.
        device: as torch names it; every visible accelerator, else the CPU, if None. Not
            for a Ray cluster, which places workers by what they need.
        engine: how many workers there are, and where.
        retry_failed: try again what has a failure row.
        progress: draw a bar for each model, as a widget in a notebook, elsewhere on stderr.
        listener: receives progress.
        stop: when set, the current batch is finished and kept, and the rest left.

    Returns:
        The result of each model. One whose weights are not found, or that cannot be opened, is
        named in its outcome and does not stop the others.

    Raises:
        RecipeError, UnknownName, PromptError, IngestError: the recipe cannot be followed.
        StorageError: the disk is full; what was drawn before is kept.
        DeviceLost: this process can no longer use its device; likewise.
    """
    with progress_bars(progress, listener) as shown:
        options = RunOptions(
            only=only,
            shard=shard,
            device=device,
            engine=engine,
            retry_failed=retry_failed,
            listener=shown,
            stop=stop,
        )
        return _generate(workspace.snapshot(), options)


def ingest_candidates(
    workspace: Workspace | Snapshot,
    *,
    shard: Shard = WHOLE,
    device: str | None = None,
    engine: Engine = HERE,
    retry_failed: bool = False,
    progress: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Take every image that the recipe's ``[ingest]`` names and the workspace lacks, as it is.

    Args:
        workspace, shard, engine, retry_failed, progress, listener, stop: as for
            :func:`generate_candidates`.
        device: for the classifiers of [safety]; nothing else of this needs one.

    Raises:
        IngestError, CheckpointError: the recipe has no [ingest], or its source cannot be read.
        StorageError: the disk is full; what was ingested before is kept.
    """
    snapshot = workspace.snapshot()
    settings_of(snapshot.recipe)
    with progress_bars(progress, listener) as shown:
        options = RunOptions(
            shard=shard,
            device=device,
            engine=engine,
            retry_failed=retry_failed,
            listener=shown,
            stop=stop,
        )
        return _generate(snapshot, options)


def score_candidates(
    workspace: Workspace | Snapshot,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    engine: Engine = HERE,
    retry_failed: bool = False,
    together: bool | None = None,
    progress: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Give every image that is there and wanted the score of every reward; then compare pairs, then
    give it the verdict of every judge.

    Images that exist already are ingested first, as by :func:`ingest_candidates`. Comparers come
    after all rewards, whose ranking says which images are neighbours.

    Args:
        only: names of rewards, comparers and judges; all of the recipe's if None.
        workspace, shard, device, engine, retry_failed, progress, listener, stop: as for
            :func:`generate_candidates`.
        together: open all rewards at once, so that each image is decoded once for all of them. If
            None, where there is an accelerator: one that has no room for it there waits its turn,
            while a host that runs out of memory kills the process that asked.

    Returns:
        The result of each reward and judge, in images, and of each comparer, in pairs. One whose
        weights are not found, that cannot be opened, or whose results cannot be trusted, is named
        in its outcome and does not stop the others.

    Raises:
        RecipeError, UnknownName, RewardError: the recipe names no reward and no judge, or what is
            none.
        WorkspaceError: nothing has been drawn yet.
        IngestError: images that exist already cannot be ingested.
        StorageError: the disk is full; what was scored before is kept.
        DeviceLost: this process can no longer use its device; likewise.
    """
    with progress_bars(progress, listener) as shown:
        options = RunOptions(
            only=only,
            shard=shard,
            device=device,
            engine=engine,
            retry_failed=retry_failed,
            together=together,
            listener=shown,
            stop=stop,
        )
        return _score(workspace.snapshot(), options)


def image_scores(workspace: Workspace | Snapshot) -> pl.DataFrame:
    """A row for each image the recipe wants, whether it was made and scored or not.

    Returns:
        ``prompt``; ``place``, where an ingested image lies in its source (null where it was drawn);
        ``model``, ``sample``, ``prompt_id``, ``candidate_id``; ``score_<reward>`` for each reward,
        null where it is missing; and ``failure``, why the image is missing, or a score of it (null
        where neither is). In the order of the recipe's wants; a further place of the same
        image has a row beside it, with the same ``candidate_id`` and scores.

    Raises:
        SynpicError: the recipe cannot be resolved, or a part cannot be read.
    """
    return every_image(take_inventory(workspace))


def _generate(snapshot: Snapshot, options: RunOptions) -> Report:
    recipe = snapshot.recipe
    notes: Sequence[str] = []
    if recipe.ingest is not None:
        if not (recipe.safety and recipe.safety.classifies):
            options = _without_accelerators(options)
        # Here, and not where the tasks are made, because it may take long, and can be shown.
        notes = ensure_index(snapshot, options.listener).notes
    tasks, broken = drawing_tasks(
        snapshot, only=options.only, shard=options.shard, retry_failed=options.retry_failed
    )
    report = _run("generate", snapshot, tasks, options)
    report.outcomes += broken
    report.remarks += notes
    if recipe.ingest is not None:
        report.remarks += settle_and_count(snapshot)
    return report


def _without_accelerators(options: RunOptions) -> RunOptions:
    """For files, which the CPU alone reads, so that no accelerator has to be looked for."""
    engine = options.engine
    if engine.kind != "ray":
        return replace(options, device="cpu")
    most = min(engine.workers or _READERS, _READERS)
    return replace(options, engine=replace(engine, gpus_per_worker=0, workers=most))


def _score(snapshot: Snapshot, options: RunOptions) -> Report:
    ingested = Report("score")
    lock_environments(snapshot.recipe.scoring, snapshot.lock, options.only)
    if snapshot.recipe.ingest is not None:
        # First whether there is what can score: ingest may take hours.
        chosen_scorers(take_inventory(snapshot, options.listener), options.only)
        # ``only`` and ``together`` are about rewards.
        report = _generate(snapshot, replace(options, only=None, together=False))
        ingested = replace(report, stage="score")
        if ingested.stopped or not _holds_images(snapshot.workspace):
            return ingested
    only, retry = options.only, options.retry_failed
    tasks, broken = scoring_tasks(snapshot, only=only, shard=options.shard, retry_failed=retry)
    report = _run("score", snapshot, tasks, options)
    report.outcomes = [*ingested.outcomes, *report.outcomes, *broken]
    report.remarks = [*ingested.remarks, *report.remarks]
    for further in (_compare, _judge):
        if not report.stopped:
            further(snapshot, options, report)
    return report


def _compare(snapshot: Snapshot, options: RunOptions, scored: Report) -> None:
    """Have comparers do their share, and add it to what was scored."""
    tasks, broken, remarks = comparing_tasks(
        snapshot, only=options.only, shard=options.shard, retry_failed=options.retry_failed
    )
    if tasks:
        report = _run("compare", snapshot, tasks, options)
        scored.outcomes += report.outcomes
        scored.stopped = report.stopped
        remarks += [*report.remarks, *bias_remarks(snapshot.workspace, tasks)]
    scored.outcomes += broken
    scored.remarks += remarks


def _judge(snapshot: Snapshot, options: RunOptions, scored: Report) -> None:
    """Have judges do their share, and add it to what was scored."""
    tasks, broken = judging_tasks(
        snapshot, only=options.only, shard=options.shard, retry_failed=options.retry_failed
    )
    if tasks:
        report = _run("judge", snapshot, tasks, options)
        scored.outcomes, scored.stopped = [*scored.outcomes, *report.outcomes], report.stopped
        scored.remarks += [*report.remarks, *verdict_remarks(snapshot, tasks)]
    scored.outcomes += broken


def _run(stage: str, snapshot: Snapshot, tasks: Sequence[Task], options: RunOptions) -> Report:
    report = run_on(
        options.engine,
        stage,
        tasks,
        options.device,
        options.listener,
        options.stop,
        options.together,
    )
    name_failures(report, tasks, snapshot)
    return report


def _holds_images(workspace: Workspace) -> bool:
    return any(workspace.parts(folder) for folder in workspace.folders("candidates"))
