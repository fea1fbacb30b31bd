"""What a run leaves: adapters or a pipeline that stock diffusers loads, its card, its facts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers

from synpic.cards.model import render_card
from synpic.errors import StorageError
from synpic.train.adapters import merge_adapters, save_adapters
from synpic.train.families.family import Family
from synpic.train.model import Checkpoint

__all__ = ["FACTS", "save_result"]

FACTS = "training.json"
"""Everything the card says and more, for machines."""


def save_result(
    folder: Path, checkpoint: Checkpoint, family: Family, denoiser: Any, about: Mapping[str, Any]
) -> None:
    """Write ``folder``, whole or not at all; one that is there is replaced.

    Args:
        denoiser: without any wrapper.
        about: what ``training.json`` will hold; ``about["saved"]`` is "lora" or "pipeline".

    Raises:
        StorageError: the disk is full, or refuses.
    """
    making = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        if about["saved"] == "lora":
            kind = getattr(diffusers, str(checkpoint.index["_class_name"]))
            save_adapters(making, kind, family, denoiser)
        else:
            merge_adapters(denoiser)
            checkpoint.whole(family, denoiser).save_pretrained(making)
        (making / FACTS).write_text(json.dumps(about, indent=1, ensure_ascii=False), "utf-8")
        (making / "README.md").write_text(render_card(about), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise StorageError(
            f"{folder}: the model cannot be written: {error}",
            hint="make room and run the command again: it goes on from the last checkpoint",
        ) from error
