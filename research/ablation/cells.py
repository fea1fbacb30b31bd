"""Cells of an ablation: a model that is trained and measured, in a folder of its own.

A cell that has a ``result.json`` is done. One that was killed goes on, and processes that share a
folder share the work: whoever does a cell holds its lock, which ends with the process.

Training that diverges is a result too, the worst there is. Any other error is none, and ends the
process: what caused it can be mended, and the cell is done then.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from torch.nn.attention import SDPBackend, sdpa_kernel

from research.ablation.control import pretrain
from research.ablation.data import content
from research.ablation.files import locked, write
from research.ablation.measures import examine
from synpic.errors import TrainingDiverged
from synpic.shapes.measure import KNOWN, weights
from synpic.shapes.prompts import examination
from synpic.shapes.scene import sheet
from synpic.train.settings import TrainRecipe
from synpic.train.training_loop import train

__all__ = ["ARMS", "Arm", "Cell", "Cells"]

DRAWING_SEED = 0
PROMPTS = 8
"""Prompts to a step."""
IMAGES = 4
"""Of each prompt."""


@dataclass(frozen=True)
class Arm:
    """What a model learns from: an objective, labels, data. Without one it is not trained."""

    objective: str | None = None
    labels: str | tuple[str, ...] = "published"
    data: str = "mixed"
    settings_of: str | None = None
    """Another arm, whose settings it takes over."""


ARMS = {
    "base": Arm(),
    "control": Arm("pretraining"),
    "sft": Arm("sft"),
    "weighted-sft": Arm("weighted-sft"),
    "dpo": Arm("dpo"),
    "dpo-gain": Arm("dpo-gain"),
    "rankdpo": Arm("rankdpo"),
    "random": Arm("rankdpo", labels="random", settings_of="rankdpo"),
    "one-reward": Arm("rankdpo", labels=("shapes_alignment",), settings_of="rankdpo"),
    "own": Arm("rankdpo", data="own", settings_of="rankdpo"),
}
"""``control`` is as many steps more of what the model was pre-trained with, on rendered scenes."""


@dataclass(frozen=True)
class Cell:
    """A model to be trained and measured."""

    arch: str
    arm: str
    split: str
    pictures: int
    steps: int
    warmup: int
    seed: int = -1
    learning_rate: float | None = None
    beta: float | None = None

    @property
    def name(self) -> str:
        """Of its folder."""
        if ARMS[self.arm].objective is None:
            return f"{self.arch}-{self.arm}-{self.split}-{self.pictures}"
        beta = "" if self.beta is None else f"-beta{self.beta:g}"
        settings = f"lr{self.learning_rate:.0e}{beta}-steps{self.steps}"
        return f"{self.arch}-{self.arm}-{settings}-seed{self.seed}-{self.split}-{self.pictures}"


class Cells:
    """The cells below a folder.

    Args:
        root: has ``cells``, ``cache`` and, for each of the arms' data, ``<data>/release``.
        keep: the weights of cells that have been measured.
    """

    def __init__(self, root: Path, keep: bool = False) -> None:
        self.root, self.keep = root, keep

    def folder(self, cell: Cell) -> Path:
        """Where a cell lies."""
        return self.root / "cells" / cell.name

    def done(self, cell: Cell) -> bool:
        """Whether it was measured, or its training diverged.

        Raises:
            SystemExit: it was, from other data or with other settings.
        """
        return self._found(cell) is not None

    def result(self, cell: Cell) -> dict[str, Any]:
        """What it came to: shares, means, figures of its last steps; or ``failed``, the reason.

        ``made_with`` is :meth:`made_with`; cells that were done before it was kept have none.

        Raises:
            FileNotFoundError: it is not done.
            SystemExit: it was, from other data or with other settings.
        """
        found = self._found(cell)
        if found is None:
            raise FileNotFoundError(self.folder(cell) / "result.json")
        return found

    def made_with(self, cell: Cell) -> dict[str, Any]:
        """What a cell comes from that its name does not say, as far as it is known.

        Returns:
            ``release``, a hash of what its dataset holds, and ``warmup``, ``prompts_per_step``,
            ``images_per_prompt``; nothing of a model that is not trained.
        """
        arm = ARMS[cell.arm]
        if arm.objective is None:
            return {}
        told: dict[str, Any] = {
            "warmup": cell.warmup,
            "prompts_per_step": PROMPTS,
            "images_per_prompt": IMAGES,
        }
        if arm.objective != "pretraining" and (release := content(self.root, arm.data)):
            told["release"] = release
        return told

    def _found(self, cell: Cell) -> dict[str, Any] | None:
        """A cell's result, held to what it should come from; None if it is not done."""
        path = self.folder(cell) / "result.json"
        if not path.exists():
            return None
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        known = found.get("made_with", {})
        for name, wanted in self.made_with(cell).items():
            if known.get(name, wanted) != wanted:
                raise SystemExit(
                    f"{path}: made with {name} {known[name]}, and wanted is {wanted}\n"
                    "choose another --dir, or delete this cell's folder to do it again"
                )
        return found

    def outcomes(self, cell: Cell) -> pl.DataFrame:
        """Picture by picture, as of :func:`research.ablation.measures.outcomes`."""
        return pl.read_parquet(self.folder(cell) / "outcomes.parquet")

    def run(self, cells: Sequence[Cell]) -> None:
        """Do all of ``cells``: first those that nobody works on, then what is left.

        Raises:
            SynpicError: a cell cannot be done; its result is not written.
            SystemExit: one was done from other data or with other settings.
        """
        for wait in (False, True):
            for cell in cells:
                if self.done(cell):
                    continue
                with locked(self.root / "cells" / f"{cell.name}.lock", wait) as mine:
                    if mine and not self.done(cell):
                        self._do(cell)

    def _do(self, cell: Cell) -> None:
        folder = self.folder(cell)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        result: dict[str, Any] = {}
        model, made_with = weights(cell.arch), self.made_with(cell)
        if ARMS[cell.arm].objective is not None:
            model = folder / "run/model"
            try:
                result = self._train(cell)
            except TrainingDiverged as error:
                failed = {"failed": str(error), "strict": 0.0, "made_with": made_with}
                write(folder / "result.json", json.dumps(failed, indent=1))
                print(f"{cell.name}: failed: {error}", flush=True)
                return
        trained = time.monotonic()
        result |= self._measure(cell, model)
        seconds = {"training": trained - began, "measuring": time.monotonic() - trained}
        result["made_with"] = made_with
        result["seconds"] = {name: round(value, 1) for name, value in seconds.items()}
        write(folder / "result.json", json.dumps(result, indent=1))
        if not self.keep:
            for part in ("checkpoints", "model"):
                shutil.rmtree(folder / "run" / part, ignore_errors=True)
        took = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
        print(
            f"{cell.name}: strict {100 * result['strict']:.1f} %, "
            f"lenient {100 * result['lenient']:.1f} %, things {result['things']:.2f}; {took}",
            flush=True,
        )

    def _measure(self, cell: Cell, model: Path) -> dict[str, float]:
        """Write ``outcomes.parquet`` and ``pictures.png``, the first twelve; the means of it."""
        folder = self.folder(cell)
        asked = examination(cell.pictures, 0, cell.split)
        frame, images = examine(model, KNOWN[cell.arch].settings, asked, DRAWING_SEED)
        frame.write_parquet(folder / "outcomes.parquet")
        sheet(images[:12], columns=12, zoom=2).save(folder / "pictures.png", optimize=True)
        columns = ("strict", "lenient", "things", "blank")
        means = frame.select(pl.col(columns).cast(pl.Float64).mean().round(4))
        return dict(means.row(0, named=True))

    def _train(self, cell: Cell) -> dict[str, float]:
        """Train a cell's model into ``run/model``; its figures of the last steps."""
        recipe, run = self.recipe(cell), self.folder(cell) / "run"
        # Plain matrix products: flash attention is slower on so few tokens.
        with sdpa_kernel(SDPBackend.MATH):
            if ARMS[cell.arm].objective == "pretraining":
                pretrain(cell.arch, recipe, run, IMAGES)
                return {}
            metrics = train(recipe, run, cache=self.root / "cache").about["metrics"]
        return {name: round(value, 5) for name, value in metrics.items()}

    def recipe(self, cell: Cell) -> TrainRecipe:
        """How a cell's model is trained."""
        arm = ARMS[cell.arm]
        objective: dict[str, Any] = (
            {} if arm.objective == "pretraining" else {"name": arm.objective}
        )
        if cell.beta is not None:
            objective["beta"] = cell.beta
        noise = {"density": "logit-normal", "mean": 0.2, "std": 1.2}
        labels = arm.labels if isinstance(arm.labels, str) else list(arm.labels)
        return TrainRecipe.model_validate(
            {
                "seed": cell.seed,
                "model": {"model": f"shapes_{cell.arch}"},
                "data": {
                    "dataset": str(self.root / arm.data / "release"),
                    "labels": labels,
                    "caption_dropout": 0.1,  # as it was pre-trained, and so is its noise
                },
                "objective": objective,
                "noise": noise if cell.arch == "mmdit_small" else {},
                "tuning": {"method": "full"},
                "optimizer": {
                    "learning_rate": cell.learning_rate,
                    "warmup_steps": cell.warmup,
                    "schedule": "cosine",
                },
                "run": {
                    "steps": cell.steps,
                    "batch_size": PROMPTS,
                    "save_every": 250,
                    "keep": 1,
                },
            }
        )
