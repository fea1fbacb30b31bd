"""Checkpoints opened as the trainer opens them: to encode, to denoise, to draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import peft

from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from synpic.train.families.family import TrainableFamily
from synpic.train.families.find import family_name, find_family
from synpic.train.settings import NoiseSettings

FAMILY_NAMES = [name for name, halves in FAMILIES.halves.items() if halves.train]
"""Of synpic's own that can be trained: each has a builder of its name in tests.generate.tiny."""

KINDS = [*FAMILY_NAMES, "sd3_without_t5"]
"""Builders of tests.generate.tiny."""

ROUGHLY = {"pixart_sigma": 0.1}
"""Builder → how far off the size of a cache may be: of prompts only the tokens in use are kept."""


def index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "model_index.json").read_text())
    return found


def pipeline(folder: Path, *without: str) -> Any:
    """The pipeline, less the parts whose names begin with one of ``without``."""
    parts = index(folder)
    absent = [part for part, value in parts.items() if value == [None, None]]
    left_out = [*absent, *(part for part in parts if part.startswith(without or ("\0",)))]
    made = getattr(diffusers, parts["_class_name"]).from_pretrained(
        folder, **dict.fromkeys(left_out)
    )
    made.set_progress_bar_config(disable=True)
    return made


def put_adapters(pipeline: Any, folder: Path) -> None:
    """Lay adapters that were trained over ``pipeline``, also where it takes none by itself."""
    if hasattr(pipeline, "load_lora_weights"):
        pipeline.load_lora_weights(folder)
    else:
        pipeline.transformer = peft.PeftModel.from_pretrained(pipeline.transformer, folder)


def family(folder: Path, settings: ModelSettings | None = None, **noise: Any) -> TrainableFamily:
    """The family of a checkpoint, given its files and nothing else."""
    kind = find_family(family_name(index(folder)["_class_name"]))

    def config(part: str) -> Any:
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        return json.loads((folder / part / name).read_text())

    return kind(
        settings or ModelSettings(checkpoint=str(folder)),
        config("scheduler"),
        NoiseSettings(**noise),
        config(kind.denoiser),
    )


def file_of(scheduler: Any) -> dict[str, Any]:
    """What the scheduler's file says of it."""
    said: dict[str, Any] = json.loads(scheduler.to_json_string())
    return said
