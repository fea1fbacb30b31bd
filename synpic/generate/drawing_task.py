"""`synpic generate`: what is wanted and missing, cut into batches, and how a model is opened."""

from __future__ import annotations

from functools import partial

import polars as pl

from synpic.engine.earlier_runs import read_earlier_runs
from synpic.engine.failures import FailureLog
from synpic.engine.shard import Shard
from synpic.engine.task import Item, Opener, Output, Task, TaskCounts, Work
from synpic.errors import ModelError
from synpic.generate.drawing import Drawing
from synpic.generate.family import Family
from synpic.generate.image_model import Model
from synpic.registry import FAMILIES
from synpic.registry.own_code import naming_own_errors
from synpic.safety import (
    WantedSafety,
    checked,
    describe_safety,
    prompts_to_check,
    resolve_safety,
)
from synpic.workspace import Snapshot, Workspace, tables

__all__ = ["drawing_task", "items_of", "open_model"]

PART_IMAGES = 64


def drawing_task(
    snapshot: Snapshot, model: Model, want: pl.DataFrame, shard: Shard, retry_failed: bool
) -> Task:
    """What is missing of ``want``.

    A batch with anything missing is drawn whole, and only what was missing is kept: so an image is
    drawn in the same batch whatever happened before.

    Args:
        want: every image wanted of ``model``: :func:`synpic.generate.image_model.wanted`.
        shard: the share of its batches to work on.
        retry_failed: try again what has a failure row.
    """
    workspace = snapshot.workspace
    safety = resolve_safety(snapshot)
    failures = FailureLog(workspace, "generate", model.name, model.fingerprint)
    earlier = read_earlier_runs(workspace, failures, model.folder, retry_failed)
    missing = earlier.missing_of(want)
    numbers = [n for n in missing["batch"].unique().sort().to_list() if shard.holds(n)]
    in_shard = pl.col("batch").is_in(numbers)
    output = Output(
        workspace=workspace,
        folder=model.folder,
        schema=tables.CANDIDATES,
        key=("candidate_id",),
        part_rows=PART_IMAGES,
        note={
            "model": model.name,
            "decides": model.fingerprint_inputs,
            **_may_move_bits(model),
            **describe_safety(safety),
        },
        watcher=earlier.watcher,
    )
    opener = Opener(
        partial(_open, workspace, model, safety, prompts_to_check(safety, want)),
        ModelError,
        proven=bool(earlier.made),
        dtype=model.settings.dtype or "float32",
    )
    counts = TaskCounts(want.height, want.height - missing.height, earlier.skipped_of(want))
    return Task(
        stage="generate",
        name=model.name,
        output=output,
        opener=opener,
        counts=counts,
        batches=[items_of(batch) for batch in want.filter(in_shard).partition_by("batch")],
        todo={(name,) for name in missing.filter(in_shard)["candidate_id"]},
        failures=failures,
        size=model.size,
    )


def items_of(batch: pl.DataFrame) -> list[Item]:
    """What is to be drawn of ``batch``: rows of :func:`synpic.generate.image_model.wanted`."""
    columns = ["candidate_id", "prompt_id", "prompt", "sample", "seed"]
    return [Item(**row) for row in batch.select(columns).iter_rows(named=True)]


def _may_move_bits(model: Model) -> dict[str, bool]:
    """Options that no fingerprint holds, and that may change the last bits of a pixel, if set."""
    keys = ("channels_last", "compile", "vae_slicing")
    return {key: True for key in keys if getattr(model.settings, key)}


def _open(
    workspace: Workspace,
    model: Model,
    safety: WantedSafety | None,
    prompts: pl.DataFrame,
    device: str,
    environment: str,
) -> Work:
    def drawing() -> Work:
        return Drawing(model, open_model(workspace, model, device), environment)

    return checked(safety, prompts, workspace, device, drawing)


def open_model(workspace: Workspace, model: Model, device: str) -> Family:
    """Load ``model`` onto ``device``.

    Raises:
        ModelError: it cannot be opened, or does not take a setting.
    """
    settings, location, commit = model.located(workspace)
    family: type[Family] = FAMILIES.load(model.family, workspace.folder)
    hint = f"the family {model.family!r} raised this; check its settings"
    with naming_own_errors(f"model {model.name!r} cannot be opened", ModelError, hint):
        return family(settings, location, commit, device)
