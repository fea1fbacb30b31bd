"""A recipe of real pipelines, drawn as a user would, and the same drawn by hand to compare."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from PIL import Image

from synpic import Workspace, generate_candidates
from synpic.prompts import stored_prompts
from synpic.workspace import tables
from synpic.workspace.parts import frame, read_part

__all__ = ["PROMPTS", "by_hand", "make", "pictures", "rows", "spelt", "workspace_of"]

PROMPTS = ["a red circle", "two blue squares above a green star", "a cat"]

Pixels = NDArray[np.uint8]


def spelt(value: Any) -> str:
    """``value`` as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {spelt(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(spelt, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def workspace_of(root: Path, top: str = "", **models: dict[str, Any]) -> Workspace:
    """A workspace at ``root`` of :data:`PROMPTS` and ``models``, in two samples if there is one."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "prompts.txt").write_text("\n".join(PROMPTS))
    text = f'{top}\n[prompts]\nfile = "prompts.txt"\n'
    for name, settings in models.items():
        if len(models) == 1:
            settings = {"samples": 2, **settings}
        text += f"\n[models.{name}]\n"
        text += "".join(f"{key} = {spelt(value)}\n" for key, value in settings.items())
    return Workspace.create(root, text)


def make(root: Path, top: str = "", **models: dict[str, Any]) -> Workspace:
    """As :func:`workspace_of`, with every image drawn."""
    workspace = workspace_of(root, top, **models)
    generate_candidates(workspace, device="cpu").raise_if_unfinished()
    return workspace


def rows(workspace: Workspace, model: str) -> pl.DataFrame:
    """The candidates of ``model`` in the order of prompts and samples, with their prompts."""
    folders = [
        name for name in workspace.folders("candidates") if name.startswith(f"candidates/{model}-")
    ]
    found = pl.concat(
        frame(read_part(workspace.store, part, tables.CANDIDATES))
        for folder in folders
        for part in workspace.parts(folder)
    )
    stored = stored_prompts(workspace)
    assert stored is not None
    prompts = frame(stored.table).select("prompt_id", "prompt").with_row_index("place")
    return found.join(prompts, on="prompt_id").sort("width", "sample", "place")


def pictures(workspace: Workspace, model: str) -> list[Pixels]:
    """What :func:`rows` lists, decoded."""
    images = rows(workspace, model)["image"].to_list()
    return [np.asarray(Image.open(io.BytesIO(image["bytes"]))) for image in images]


def by_hand(
    pipeline: Any, table: pl.DataFrame, listed: Sequence[str] = (), **call: Any
) -> list[Pixels]:
    """What ``table`` lists, drawn by ``pipeline`` as its makers' page says, a batch a sample.

    Args:
        listed: arguments that are given once for each prompt.
    """
    pipeline.set_progress_bar_config(disable=True)
    images: list[Pixels] = []
    for _, batch in table.group_by(["width", "sample"], maintain_order=True):
        prompts = batch["prompt"].to_list()
        made = pipeline(
            prompt=prompts,
            generator=[torch.Generator().manual_seed(seed) for seed in batch["seed"]],
            output_type="pil",
            **{
                name: [call[name]] * len(prompts) if name in listed else call[name] for name in call
            },
        )
        images += [np.asarray(image) for image in made.images]
    return images
