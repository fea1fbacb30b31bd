"""What a run leaves: adapters or a pipeline that stock diffusers loads, its card, its facts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diffusers
from accelerate import Accelerator

from synpic.cards.model import render_card
from synpic.cards.training import read_training
from synpic.engine.device import environment
from synpic.errors import StorageError, TrainingError
from synpic.train.adapters import save_adapters
from synpic.train.families.family import Family
from synpic.train.model import Checkpoint
from synpic.train.settings import TrainRecipe, TuningSettings

__all__ = ["FACTS", "facts_of", "read_result", "save_result"]

FACTS = "training.json"
"""Everything the card says and more, for machines."""


def facts_of(
    recipe: TrainRecipe,
    checkpoint: Checkpoint,
    family: Family,
    dataset: Mapping[str, Any],
    metrics: Mapping[str, float],
    accelerator: Accelerator,
) -> dict[str, Any]:
    """What :data:`FACTS` holds. It is made to be published: of folders it has the last name only.

    What was in them is told by hashes: ``model.sha256``, and ``dataset.content`` as of
    :class:`synpic.train.records.Source`.

    Args:
        dataset: what was read.
        metrics: at the end.
    """
    run, settings = recipe.run, recipe.model_dump(mode="json")
    name = str(checkpoint.settings.checkpoint)
    if "repository" not in checkpoint.identity and not name.startswith("package:"):
        name = Path(name).expanduser().resolve().name
        if settings["model"]["checkpoint"] is not None:
            settings["model"]["checkpoint"] = name
    if dataset["commit"] is None:
        settings["data"]["dataset"] = dataset["name"]
    return {
        "synpic": version("synpic"),
        "recipe": settings,
        "family": checkpoint.index()["_class_name"],
        "saved": recipe.saves,
        "lora_mixin": family.lora_mixin,
        "absent": [name for name, part in checkpoint.index().items() if part == [None, None]],
        "model": {"checkpoint": name, **checkpoint.identity},
        "dataset": dict(dataset),
        "steps": run.steps,
        "prompts_per_step": run.batch_size * run.accumulation * accelerator.num_processes,
        "metrics": dict(metrics),
        "environment": environment(str(accelerator.device), run.precision),
    }


def save_result(
    folder: Path,
    checkpoint: Checkpoint,
    family: Family,
    denoiser: Any,
    tuning: TuningSettings,
    about: Mapping[str, Any],
) -> None:
    """Write ``folder``, whole or not at all; one that is there is replaced.

    Args:
        denoiser: without any wrapper; it is left as it is.
        tuning: how it was trained.
        about: what ``training.json`` will hold; ``about["saved"]`` is "lora" or "pipeline".

    Raises:
        StorageError: the disk is full, or refuses.
    """
    making = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        if about["saved"] == "lora":
            kind = getattr(diffusers, str(checkpoint.index()["_class_name"]))
            save_adapters(making, kind, family, denoiser)
        else:
            checkpoint.whole(family, denoiser, tuning).save_pretrained(making)
        facts = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        (making / FACTS).write_text(facts, "utf-8")
        (making / "README.md").write_text(render_card(about), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise StorageError(
            f"{folder}: the model cannot be written: {error}",
            hint="make room and run the command again: it goes on from the last checkpoint",
        ) from error


def read_result(folder: Path) -> Mapping[str, Any]:
    """What :data:`FACTS` of the model in ``folder`` holds.

    Raises:
        TrainingError: it is damaged, naming the key.
    """
    path = folder / FACTS
    hint = f"delete {folder}: the run makes it again from its last checkpoint"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from (
            error
        )
    return read_training(data, str(path), error=TrainingError, hint=hint)
