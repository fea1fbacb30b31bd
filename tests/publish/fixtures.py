"""A small workspace, written without drawing or scoring anything."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image

from synpic import ids
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.readers.images import describe
from synpic.score.reward import RewardInfo
from synpic.workspace import Workspace, tables

REWARDS = ("redness", "greenness")

THIRD = '[rewards.blueness]\nreward = "tests.publish.fixtures:blueness"\n\n'
"""Of a recipe: with three rewards φ is in thirds and sixths, which no float holds exactly."""

TWO_SPLITS = [
    ("a red circle", "train"),
    ("two green stars on black", "train"),
    ("a blue square left of a red circle", "train"),
    ("three yellow triangles", "validation"),
    ("café “naïve” 日本語 🙂", "validation"),
]


def redness(prompt: str, image: Image.Image) -> float:
    return float(np.asarray(image)[..., 0].mean())


def greenness(prompt: str, image: Image.Image) -> float:
    return float(np.asarray(image)[..., 1].mean())


def blueness(prompt: str, image: Image.Image) -> float:
    return float(np.asarray(image)[..., 2].mean())


class Brightness:
    info = RewardInfo(summary="mean of all channels", reads_prompt=False, licence="mit")

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [float(np.asarray(image).mean()) for image in images]


def picture(row: dict[str, Any], edge: int = 24) -> bytes:
    """A PNG that is another one for every candidate."""
    seed = int(hashlib.sha256(row["candidate_id"].encode()).hexdigest()[:8], 16)
    noise = np.random.default_rng(seed).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def hashed_score(reward: str, row: dict[str, Any]) -> float:
    """A score in 0 … 1 that follows from the candidate."""
    text = f"{reward}:{row['candidate_id']}"
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def recipe(models: Sequence[str] = ("alpha", "beta", "gamma"), more: str = "", **model: Any) -> str:
    settings = "".join(f"{key} = {value}\n" for key, value in model.items())
    text = '[prompts]\nfile = "prompts.txt"\n\n'
    for name in models:
        text += f'[models.{name}]\ncheckpoint = "./weights/{name}"\n{settings}\n'
    for reward in REWARDS:
        text += f'[rewards.{reward}]\nreward = "tests.publish.fixtures:{reward}"\n\n'
    return text + more


def build(
    root: Path,
    prompts: Sequence[tuple[str, str]] = TWO_SPLITS,
    *,
    text: str | None = None,
    keep: Callable[[dict[str, Any]], bool] = lambda row: True,
    score: Callable[[str, dict[str, Any]], float | None] = hashed_score,
    draw: Callable[[dict[str, Any]], bytes] = picture,
    flag: Callable[[dict[str, Any]], bool | None] = lambda row: None,
    rows_per_part: int = 4,
    beside: Mapping[str, str] | None = None,
) -> Workspace:
    """A workspace at ``root``; of one that was built before, a copy.

    Args:
        keep: which of the wanted images were drawn.
        score: a reward's name and a candidate → its score, None for none.
        draw: a candidate → its encoded image.
        flag: a candidate → whether a safety check flags it.
        rows_per_part: images per part, so that there are several.
        beside: a file beside the weights, "beta/training.json" → what it holds.
    """
    functions = keep, score, draw, flag
    facts = tuple(sorted((beside or {}).items()))
    key = (tuple(prompts), text, functions, rows_per_part, facts)
    # A function that was made in a test may see what no other does.
    if any("<locals>" in one.__qualname__ for one in functions):
        return _build(root, *key)
    if key not in _BUILT:
        _BUILT[key] = Path(tempfile.mkdtemp(prefix="built-"))
        _build(_BUILT[key], *key)
    return Workspace.open(shutil.copytree(_BUILT[key], root, dirs_exist_ok=True))


_BUILT: dict[Any, Path] = {}
"""Arguments → a workspace that none writes to."""


def _build(
    root: Path,
    prompts: Sequence[tuple[str, str]],
    text: str | None,
    functions: tuple[Any, ...],
    rows_per_part: int,
    beside: tuple[tuple[str, str], ...],
) -> Workspace:
    keep, score, draw, flag = functions
    for name in ("alpha", "beta", "gamma"):
        folder = root / "weights" / name
        folder.mkdir(parents=True)
        (folder / "model.bin").write_text(name)
    for name, content in beside:
        (root / "weights" / name).write_text(content)
    workspace = Workspace.create(root, text or recipe())
    table = pa.table(
        {
            "prompt_id": [ids.prompt_id(prompt) for prompt, _ in prompts],
            "prompt": [ids.normalise_prompt(prompt) for prompt, _ in prompts],
            "split": [split for _, split in prompts],
            "source": ["prompts.txt"] * len(prompts),
        },
        schema=tables.PROMPTS,
    )
    note = {"identity": {}, "read": len(prompts), "empty": 0, "duplicates": 0}
    workspace.write_prompts(table, note)
    fill(workspace, keep=keep, draw=draw, flag=flag, score=score, rows_per_part=rows_per_part)
    return workspace


def fill(
    workspace: Workspace,
    *,
    keep: Callable[[dict[str, Any]], bool] = lambda row: True,
    draw: Callable[[dict[str, Any]], bytes] = picture,
    flag: Callable[[dict[str, Any]], bool | None] = lambda row: None,
    score: Callable[[str, dict[str, Any]], float | None] = hashed_score,
    rows_per_part: int = 4,
) -> None:
    """Images and scores of a workspace that has its prompts, as :func:`build` takes them."""
    inventory = take_inventory(workspace)
    candidates = _write_candidates(inventory, keep, draw, flag, rows_per_part)
    _write_scores(inventory, candidates, score)


def _write_candidates(
    inventory: Inventory,
    keep: Callable[[dict[str, Any]], bool],
    draw: Callable[[dict[str, Any]], bytes],
    flag: Callable[[dict[str, Any]], bool | None],
    rows_per_part: int,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for wanted in inventory.wanted_candidates().iter_rows(named=True):
        if not keep(wanted):
            continue
        data = draw(wanted)
        seen = describe(data)
        rows.append(
            {
                **wanted,
                "image": {"bytes": data, "path": f"{wanted['candidate_id']}.png"},
                "sha256": ids.sha256(data),
                "width": seen.width,
                "height": seen.height,
                "batch_size": 2,
                "seconds": 0.5,
                "flagged": flag(wanted),
                "environment": "e1",
            }
        )
    for model in inventory.models:
        mine = [row for row in rows if row["folder"] == model.folder]
        note = {"model": model.name, "environments": {"e1": {"device": "cpu", "torch": "2"}}}
        for start in range(0, len(mine), rows_per_part):
            part = pa.Table.from_pylist(mine[start : start + rows_per_part], tables.CANDIDATES)
            inventory.workspace.write_part(model.folder, part, note)
    return rows


def _write_scores(
    inventory: Inventory,
    candidates: list[dict[str, Any]],
    score: Callable[[str, dict[str, Any]], float | None],
) -> None:
    for reward in inventory.rewards:
        scored = [
            {
                "candidate_id": row["candidate_id"],
                "sha256": row["sha256"],
                "reward": reward.name,
                "fingerprint": reward.fingerprint,
                "score": value,
                "batch_size": 1,
            }
            for row in candidates
            if (value := score(reward.name, row)) is not None
        ]
        if scored:
            part = pa.Table.from_pylist(scored, tables.SCORES)
            inventory.workspace.write_part(reward.folder, part, {})


def encoded(workspace: Workspace) -> dict[str, bytes]:
    """candidate_id → its image, as the workspace has it."""
    inventory = take_inventory(workspace)
    rows = inventory.candidates().select("candidate_id", "sha256")
    pixels = workspace.images(inventory.image_folders()).read(list(rows.iter_rows()))
    return dict(zip(rows["candidate_id"], pixels, strict=True))


def scored(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).scored()
