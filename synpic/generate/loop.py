"""`synpic generate`: what is wanted and missing, drawn in batches and kept as parts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl

from synpic import checkpoints, ids, tables
from synpic.engine.device import environment, pick_device
from synpic.engine.failures import FailureLog
from synpic.engine.parts import PartWatcher, PartWriter, environment_key, walk
from synpic.engine.progress import Listener, Meter
from synpic.engine.report import Outcome, Report
from synpic.engine.shard import WHOLE, Shard
from synpic.errors import ModelError, SynpicError
from synpic.generate.family import Family
from synpic.generate.model import Model, models_of, wanted
from synpic.generate.painter import Painter
from synpic.generate.pixels import encode
from synpic.prompts import ensure_prompts
from synpic.registry import FAMILIES
from synpic.workspace import Workspace

__all__ = ["generate_candidates", "open_model"]

PART_IMAGES = 64
HOPELESS_BATCHES = 3
"""So many batches in a row without one image mean that the model is broken, not the prompts."""


def generate_candidates(
    workspace: Workspace,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    retry_failed: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Draw every image the recipe wants and the workspace lacks.

    Killed at any moment and called again, it goes on; called twice at once, it shares the work.

    Args:
        only: names of models; all of the recipe's if None.
        shard: the share of the work that is ours.
        device: as torch names it; the first accelerator, else the CPU, if None.
        retry_failed: take up again what has a failure row.
        listener: is told of progress.
        stop: when set, the batch in hand is finished and kept, and the rest left.

    Returns:
        What came of each model. A model that cannot be opened does not stop the others.

    Raises:
        SynpicError: the recipe, its prompts or its checkpoints cannot be resolved.
        StorageError: the disk is full; what was drawn before is kept.
    """
    ensure_prompts(workspace)
    recipe, prompts = workspace.recipe, workspace.prompts()
    models = models_of(recipe, workspace)
    unknown = set(only or ()) - {model.name for model in models}
    if unknown:
        raise SynpicError(
            f"the recipe has no model {sorted(unknown)[0]!r}",
            hint=f"it has: {', '.join(recipe.models)}",
        )
    device = pick_device(device)
    report = Report("generate")
    for model in models:
        if only and model.name not in only:
            continue
        work = _Work.of(workspace, model, wanted(recipe, model, prompts), shard, retry_failed)
        report.outcomes.append(_draw_all(work, device, listener, stop))
        if stop is not None and stop.is_set():
            report.stopped = True
            break
    return report


def open_model(workspace: Workspace, model: Model, device: str) -> Family:
    """Load ``model`` onto ``device``.

    Raises:
        ModelError: it cannot be opened, or does not take a setting.
    """
    location, commit = checkpoints.load_from(workspace, model.checkpoint)
    family: type[Family] = FAMILIES.load(model.family)
    return family(model.settings, location, commit, device)


@dataclass
class _Work:
    """The batches of one model that have something missing, and whoever else works on them.

    Args:
        wanted: images, in all.
        batches: those that have something missing, each with the rows of all its images.
        todo: the candidate ids that are missing.
    """

    workspace: Workspace
    model: Model
    wanted: int
    already: int
    batches: list[list[dict[str, Any]]]
    todo: set[str]
    watcher: PartWatcher
    failures: FailureLog

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        model: Model,
        want: pl.DataFrame,
        shard: Shard,
        retry_failed: bool,
    ) -> _Work:
        failures = FailureLog(workspace, "generate", model.name, model.fingerprint)
        watcher = PartWatcher(workspace, model.folder, tables.CANDIDATES)
        done = {row[0] for row in watcher.new_rows(["candidate_id"])}
        if not retry_failed:
            done |= failures.known.keys()
        missing = want.filter(~pl.col("candidate_id").is_in(list(done)))
        numbers = [n for n in missing["batch"].unique().sort().to_list() if shard.holds(n)]
        rows = want.filter(pl.col("batch").is_in(numbers)).partition_by("batch")
        return cls(
            workspace=workspace,
            model=model,
            wanted=want.height,
            already=want.height - missing.height,
            batches=[batch.to_dicts() for batch in rows],
            todo=set(missing.filter(pl.col("batch").is_in(numbers))["candidate_id"]),
            watcher=watcher,
            failures=failures,
        )

    def missing(self, batch: Sequence[dict[str, Any]]) -> set[str]:
        """The ids of those images of ``batch`` that are still to be drawn."""
        return {row["candidate_id"] for row in batch if row["candidate_id"] in self.todo}

    def others(self, ours: set[str]) -> bool:
        """Take note of what others have drawn since, and say whether they have."""
        rows = self.watcher.new_rows(["candidate_id"], but=ours)
        self.todo.difference_update(row[0] for row in rows)
        return bool(rows)


def _draw_all(
    work: _Work, device: str, listener: Listener | None, stop: threading.Event | None
) -> Outcome:
    model = work.model
    outcome = Outcome(model.name, work.wanted, already=work.already)
    meter = Meter("generate", model.name, len(work.todo), listener)
    if not work.batches:
        meter.tell("done")
        return outcome
    meter.tell("opening")
    try:
        painter = Painter(model, open_model(work.workspace, model, device))
    except ModelError as error:
        outcome.broken, outcome.left = error, len(work.todo)
        meter.end(error)
        return outcome
    surroundings = environment(device, model.settings.dtype or "float32")
    key = environment_key(surroundings)
    note = {"model": model.name, "decides": model.decides, "environments": {key: surroundings}}
    meter.begin()
    streak: list[dict[str, str]] = []
    with (
        PartWriter(work.workspace, model.folder, tables.CANDIDATES, note, PART_IMAGES) as writer,
        work.failures as failures,
        ThreadPoolExecutor(4) as encoders,
    ):
        for batch in walk(work.batches, writer, work.others):
            missing = work.missing(batch)
            if not missing:
                continue
            drawn = painter.draw_batch(batch)
            rows, failed = _encode(drawn, missing, model, key, encoders)
            failures.add(failed)
            work.todo -= missing
            streak = [] if rows else [*streak, failed]
            if len(streak) == HOPELESS_BATCHES:
                outcome.broken = _hopeless(model, streak)
                for reasons in streak:
                    failures.forget(reasons)
                    work.todo |= reasons.keys()
                break
            writer.add(rows)
            outcome.made += len(rows)
            meter.add(len(missing), len(failed), left=len(work.todo))
            if stop is not None and stop.is_set():
                break
        outcome.failed = failures.added
    outcome.left = len(work.todo)
    meter.end(outcome.broken)
    return outcome


def _encode(
    drawn: Sequence[dict[str, Any]],
    missing: set[str],
    model: Model,
    environment: str,
    pool: ThreadPoolExecutor,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of the candidates table for what was drawn and missing, and reasons for the rest."""
    kept = [row for row in drawn if row["candidate_id"] in missing]
    failed = {row["candidate_id"]: row["reason"] for row in kept if "reason" in row}

    def finish(row: dict[str, Any]) -> dict[str, Any] | str:
        try:
            data = encode(row["pixels"], model.images)
        except ValueError as error:
            return str(error)
        height, width = row["pixels"].shape[:2]
        name = row["candidate_id"]
        return {
            "candidate_id": name,
            "prompt_id": row["prompt_id"],
            "model": model.name,
            "fingerprint": model.fingerprint,
            "sample": row["sample"],
            "seed": row["seed"],
            "image": {"bytes": data, "path": f"{name}.{model.images.format}"},
            "sha256": ids.sha256(data),
            "width": width,
            "height": height,
            "batch_size": row["batch_size"],
            "seconds": row["seconds"],
            "flagged": None,
            "environment": environment,
        }

    good = [row for row in kept if "reason" not in row]
    rows: list[dict[str, Any]] = []
    for row, finished in zip(good, pool.map(finish, good), strict=True):
        if isinstance(finished, str):
            failed[row["candidate_id"]] = finished
        else:
            rows.append(finished)
    return rows, failed


def _hopeless(model: Model, streak: Sequence[dict[str, str]]) -> ModelError:
    reason = next(iter(streak[-1].values()))
    return ModelError(
        f"model {model.name!r}: {len(streak)} batches in a row gave no image: {reason}",
        hint="try one image by hand with these settings; nothing of these batches was recorded, "
        "so the next run takes them up again",
    )
