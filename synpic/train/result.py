"""What a run leaves: adapters or a pipeline that stock diffusers loads, its card, its facts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diffusers
from accelerate import Accelerator
from PIL.Image import Image
from safetensors import SafetensorError

from synpic import ids
from synpic.engine.device import environment
from synpic.errors import StorageError, TrainingError
from synpic.release.cards.model_card import render_card
from synpic.release.cards.training import FACTS, StepEvaluation, read_training
from synpic.release.cards.training_prompts import CHECKPOINT_PROMPTS, write_training_prompts
from synpic.release.run_folder import SAMPLE_SHEET
from synpic.train.adapters import save_adapters
from synpic.train.families.family import TrainableFamily
from synpic.train.objective import objective_facts
from synpic.train.settings import TrainRecipe, TuningSettings
from synpic.train.trainable_checkpoint import TrainableCheckpoint
from synpic.workspace.whole_folder import whole_folder

__all__ = ["damage_of", "facts_of", "read_result", "save_result"]


def facts_of(
    recipe: TrainRecipe,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    dataset: Mapping[str, Any],
    metrics: Mapping[str, float],
    accelerator: Accelerator,
    step: int,
    evaluations: Sequence[StepEvaluation] = (),
) -> dict[str, Any]:
    """What :data:`FACTS` holds. It is made to be published: of folders it has the last name only.

    Hashes identify what was in them: ``model.sha256``, and ``dataset.content`` as of
    :class:`synpic.train.data.records.RankingsSource`.

    Args:
        dataset: what was read.
        metrics: at the end.
        step: after which the model is as it is.
        evaluations: on the way to there.
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
        "objective": objective_facts(recipe.objective.name),
        "family": checkpoint.index()["_class_name"],
        **({"family_code": dict(family.code)} if family.code else {}),
        "saved": recipe.saves,
        "lora_mixin": family.lora_mixin,
        "absent": [name for name, part in checkpoint.index().items() if part == [None, None]],
        "model": {"checkpoint": name, **checkpoint.identity},
        "dataset": dict(dataset),
        "steps": step,
        "prompts_per_step": run.batch_size * run.accumulation * accelerator.num_processes,
        "metrics": dict(metrics),
        "environment": environment(str(accelerator.device), run.precision),
        **(
            {"evaluations": [one.model_dump(mode="json") for one in evaluations]}
            if evaluations
            else {}
        ),
    }


def save_result(
    folder: Path,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    denoiser: Any,
    tuning: TuningSettings,
    about: Mapping[str, Any],
    prompts: Iterable[str],
    evaluated: Collection[str] = (),
    sheet: Image | None = None,
) -> dict[str, Any]:
    """Write ``folder``, whole or not at all; one that is there is replaced.

    Untrained parts of a pipeline are copied from the checkpoint byte for byte.

    Args:
        denoiser: without any wrapper; it is left as it is.
        tuning: how it was trained.
        about: of :func:`facts_of`; ``about["saved"]`` is "lora" or "pipeline".
        prompts: that it was trained on; their hashes are left beside it.
        evaluated: prompts by which checkpoints were evaluated; likewise.
        sheet: samples before and after, for the card.

    Returns:
        What ``training.json`` holds: ``about``, and size and SHA-256 of each of the model's files.

    Raises:
        StorageError: the disk is full, or refuses.
    """
    try:
        with whole_folder(folder) as making:
            if about["saved"] == "lora":
                kind = getattr(diffusers, str(checkpoint.index()["_class_name"]))
                save_adapters(making, kind, family, denoiser)
            else:
                merged = checkpoint.merged(family, denoiser, tuning)
                merged.save_pretrained(making / family.denoiser)
                # Over the denoiser's configuration too: diffusers writes a local path into it.
                checkpoint.copy_untrained(making, family)
            write_training_prompts(making, prompts)
            if evaluated:
                write_training_prompts(making, evaluated, CHECKPOINT_PROMPTS)
            if sheet is not None:
                sheet.save(making / SAMPLE_SHEET, optimize=True)
            made = {**about, "files": _files(making)}
            facts = json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False)
            (making / FACTS).write_text(facts, "utf-8")
            (making / "README.md").write_text(render_card(made), "utf-8")
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{folder}: the model cannot be written: {error}",
            hint="make room and run the command again: it goes on from the last checkpoint",
        ) from error
    return made


def damage_of(folder: Path, about: Mapping[str, Any]) -> str | None:
    """Which of the files that ``training.json`` records is gone or another; None if none is.

    Args:
        about: what it holds.
    """
    for name, recorded in about["files"].items():
        path = folder / name
        try:
            if ids.file_hash(path) != recorded["sha256"]:
                return f"{path} is not what was written"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
    return None


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Path in ``folder`` → size and SHA-256, of each file."""
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": ids.file_hash(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


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
