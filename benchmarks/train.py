"""How fast ``synpic train`` takes its steps, against a bare forward and backward; how much memory.

    python benchmarks/train.py [--steps 30] [--json]
    python benchmarks/train.py --full [--tiny] [--json]

Steps, of the embedded models, by RankDPO on rendered pictures, four to a prompt:

- limit: the reference's forward, the model's forward and backward, on the same tensors, noised and
  on the device before the clock is started; no objective, no reading.
- optimizer: its step alone, on the gradients of that.
- synpic: the loop of ``synpic train``: it also reads batches from the cache, noises, computes the
  objective and its metrics, clips, takes the optimizer's step and writes the log.

After every step of the loop the bare one is taken in the same process, so that a busy machine slows
both; ratios are medians over such couples.

Memory: the most that a process of its own takes to train one model of random weights, whole (a copy
is the reference) and by adapters (which are turned off for it).

``--full``: SDXL and SD3-Medium at full architecture with random weights, 1024 x 1024, bf16, LoRA,
gradient checkpointing, on a GPU; beside it the usual pattern (``train_large``): everything is open,
a second denoiser is the reference, and pixels and prompts are encoded at every step. ``--tiny``
takes models of a few kilobytes in their place, to see that it runs.
"""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers, and some methods of tensors, carry no types.
from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
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

sys.path.insert(0, str(Path(__file__).parent.parent))

from synpic.engine.progress import Event
from synpic.publish import publish_to
from synpic.shapes.measure import weights
from synpic.shapes.pipelines import build_mmdit
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import random_scene, to_image
from synpic.train.data import DTYPES, open_data
from synpic.train.loop import train
from synpic.train.model import Reference, find_checkpoint, prepare_tuning, trained
from synpic.train.optimizers import open_optimizer
from synpic.train.settings import TrainRecipe
from tests.publish import fixtures

MODELS = ("shapes_mmdit_small", "shapes_unet", "shapes_pixart")
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
            return self.family.predict(denoiser, noisy, batch.times, encoded, batch.frames)

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


def speed(root: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each embedded model, whole and by adapters."""
    dataset = release(root, 4 * options.batch_size)
    rows = []
    for name in options.models:
        for method in ("full", "lora"):
            wanted = recipe(
                {"model": name}, dataset, method, options.steps, batch_size=options.batch_size
            )
            found = measured(wanted, root)
            rows.append(
                {
                    "model": name,
                    "method": method,
                    "images a step": PER_PROMPT * options.batch_size,
                    "of the limit": round(found.ratio(optimizer=False), 3),
                    "of limit and optimizer": round(found.ratio(optimizer=True), 3),
                }
            )
            tell(rows[-1], options)
    return rows


def memory(root: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The most that training one model takes, a process for each method."""
    from diffusers import AutoencoderKL

    # Wide enough that its weights, not the interpreter, are what is seen.
    vae = AutoencoderKL.from_pretrained(weights("mmdit_small") / "vae")
    pipeline = build_mmdit(vae, layers=2, heads=12, head_width=64)
    size = sum(parameter.nbytes for parameter in pipeline.transformer.parameters()) / 2**20
    pipeline.save_pretrained(root / "wide")
    del pipeline
    dataset = release(root, 8)
    rows: list[dict[str, Any]] = []
    for method in ("full", "lora"):
        command = [sys.executable, __file__, "--peak", method, str(root), str(dataset)]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(ended.stdout)
        rows.append({"method": method, "weights, MiB": round(size), **found})
        rows[-1]["times the weights"] = round(found["peak MiB, beyond opening"] / size, 2)
        tell(rows[-1], options)
    return rows


def most_memory() -> float:
    """MiB that this process took at most. (``ru_maxrss`` counts what it was forked from, too.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def peak(method: str, root: Path, dataset: Path) -> dict[str, Any]:
    """Train the wide model in this process, and say how much memory its steps took at most."""
    # The first run fills the cache and imports everything.
    small = {"model": "shapes_mmdit_small"}
    for model in (small, {"model": small["model"], "checkpoint": str(root / "wide")}):
        wanted = recipe(model, dataset, method, 4, batch_size=1)
        if model is not small:
            Path("/proc/self/clear_refs").write_text("5")
            before = most_memory()
        with tempfile.TemporaryDirectory() as out:
            told: list[float] = []
            train(
                wanted,
                Path(out),
                cache=root / "cache",
                # Not at the end, when the result is put together to be saved.
                listener=lambda event: told.append(most_memory()),  # noqa: B023
            )
    cuda = {}
    if torch.cuda.is_available():
        cuda["peak MiB, device"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return {
        "peak MiB": round(told[-1]),
        "peak MiB, beyond opening": round(told[-1] - before),
        **cuda,
    }


def tell(row: dict[str, Any], options: argparse.Namespace) -> None:
    if not options.json:
        print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch-size", type=int, help="prompts to a step")
    parser.add_argument("--full", action="store_true", help="SDXL and SD3-Medium")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        method, root, dataset = options.peak
        print(json.dumps(peak(method, Path(root), Path(dataset))))
        return
    options.batch_size = options.batch_size or (1 if options.full else 8)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if options.full:
            from benchmarks.train_large import full

            tables = {"full": full(root, options)}
        else:
            tables = {"steps": speed(root / "steps", options)}
            tables["memory"] = memory(root / "memory", options)
    if options.json:
        print(json.dumps(tables, indent=2))


if __name__ == "__main__":
    main()
