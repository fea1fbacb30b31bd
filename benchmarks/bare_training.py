"""What both benchmarks of training measure against: bare steps, taken in turns with a trainer's."""

# mypy: disable-error-code="no-untyped-call"
# Some methods of tensors carry no types.
from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from synpic.engine.progress import Event
from synpic.publish import publish_to
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import random_scene, to_image
from synpic.train.data.training_data import DTYPES, open_data
from synpic.train.optimizers import open_optimizer
from synpic.train.settings import TrainRecipe
from synpic.train.trainable_checkpoint import Reference, find_checkpoint, prepare_tuning, trained
from synpic.train.training_loop import train
from tests.publish import fixtures

__all__ = [
    "PER_PROMPT",
    "WARM",
    "Bare",
    "Beside",
    "clocked",
    "measured",
    "recipe",
    "release",
    "tell",
]

PER_PROMPT = 4
WARM = 3
"""Steps that are not counted."""


def release(root: Path, count: int, edge: int = 32) -> Path:
    """A ranked dataset of rendered scenes, ``edge`` pixels each side, its ranking by chance."""
    rng = np.random.default_rng(0)

    def draw(row: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        scene = to_image(random_scene(rng)).resize((edge, edge), Image.Resampling.NEAREST)
        scene.save(buffer, "PNG")
        return buffer.getvalue()

    text = fixtures.recipe(models=["alpha"], samples=PER_PROMPT)
    asked = [(prompt, "train") for prompt, _ in prompts(count, 0, "train")]
    workspace = fixtures.build(root / "set", asked, text=text, draw=draw, rows_per_part=64)
    return publish_to(workspace, root / "release", configs=["ranked"]).directory


def recipe(
    model: dict[str, Any], dataset: Path, method: str, steps: int, **run: Any
) -> TrainRecipe:
    """RankDPO for ``steps`` steps, and nothing else on the way."""
    return TrainRecipe.model_validate(
        {
            "model": model,
            "data": {"dataset": str(dataset)},
            "objective": {"name": "rankdpo", "beta": 2000.0},
            "tuning": {"method": method, "rank": run.pop("rank", 16)},
            "optimizer": {"learning_rate": 1e-6},
            "run": {"steps": steps, "save_every": steps, **run},
        }
    )


def settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def clocked(work: Callable[[], Any]) -> float:
    settle()
    began = time.perf_counter()
    work()
    settle()
    return time.perf_counter() - began


class Bare:
    """What a step cannot do without: two forwards and a backward on tensors that are ready."""

    def __init__(self, recipe: TrainRecipe, cache: Path) -> None:
        self.accelerator = Accelerator(mixed_precision=recipe.run.precision)
        self.recipe, self.checkpoint = recipe, find_checkpoint(recipe.model)
        self.family = self.checkpoint.family(recipe.noise)
        self.data = open_data(
            recipe, self.checkpoint, self.family, self.accelerator, cache, None, None, None
        )
        dtype = DTYPES[recipe.run.precision]
        full = recipe.tuning.method == "full"
        self.denoiser = self.checkpoint.denoiser(self.family, torch.float32 if full else dtype)
        # A copy, whatever the method: nothing is faster.
        self.reference = Reference(self.denoiser, "full", dtype)
        prepare_tuning(self.denoiser, self.family, recipe.tuning)
        if recipe.run.gradient_checkpointing:
            self.denoiser.enable_gradient_checkpointing()
        self.denoiser.to(self.accelerator.device).train()
        self.reference.to(self.accelerator.device)
        self.optimizer = open_optimizer(recipe.optimizer, trained(self.denoiser).values())

    def step(self, number: int) -> tuple[float, float]:
        """Seconds of the forwards and the backward on batch ``number``; of the optimizer's step."""
        batch = self.data.batches[number].to(self.accelerator.device)
        noisy, target = self.family.add_noise(batch.latents, batch.noise, batch.times)
        encoded = {name: rows[batch.owner] for name, rows in batch.encoded.items()}

        def predict(denoiser: Any) -> Tensor:
            return self.family.predict(denoiser, noisy, batch.times, encoded, batch.crops)

        def both() -> None:
            with self.accelerator.autocast():
                with self.reference.model() as frozen:
                    predict(frozen)
                error = (target - predict(self.denoiser)).square().mean()
            error.backward()

        computing = clocked(both)
        stepping = clocked(self.optimizer.step)
        self.optimizer.zero_grad()
        return computing, stepping

    def flops(self) -> int:
        """Of a step, what checkpointing computes twice counted twice."""
        with FlopCounterMode(display=False) as counter:
            self.step(0)
        return int(counter.get_total_flops())


class Beside:
    """A listener of the loop: when a step is over it takes the bare one, and notes both times."""

    def __init__(self, bare: Bare) -> None:
        self.bare = bare
        self.ours: list[float] = []
        self.limit: list[float] = []
        self.stepping: list[float] = []
        self.peak = 0
        self._then: float | None = None
        self._held = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0

    def __call__(self, event: Event) -> None:  # noqa: D102
        if event.stage != "train" or event.rate is None:  # no step yet
            return
        settle()
        now = time.perf_counter()
        if torch.cuda.is_available():
            self.peak = max(self.peak, torch.cuda.max_memory_allocated() - self._held)
        computing, stepping = self.bare.step(event.done - 1)
        if self._then is not None and event.done > WARM:
            self.ours.append(now - self._then)
            self.limit.append(computing)
            self.stepping.append(stepping)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._then = time.perf_counter()

    def ratio(self, *, optimizer: bool) -> float:
        """Of the limit, the optimizer's step in it or not."""
        couples = zip(self.ours, self.limit, self.stepping, strict=True)
        return statistics.median((b + optimizer * c) / a for a, b, c in couples)


def measured(wanted: TrainRecipe, root: Path) -> Beside:
    """The loop's steps and the bare ones."""
    beside = Beside(Bare(wanted, root / "cache"))
    with tempfile.TemporaryDirectory(dir=root) as out:
        train(wanted, Path(out), cache=root / "cache", listener=beside)
    return beside


def tell(row: dict[str, Any], options: argparse.Namespace) -> None:
    if not options.json:
        print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
