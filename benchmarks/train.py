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
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare_training import PER_PROMPT, measured, recipe, release, tell
from synpic.shapes.measure import weights
from synpic.train.training_loop import train

MODELS = ("shapes_mmdit_small", "shapes_unet", "shapes_pixart")


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
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    # Wide enough that its weights, not the interpreter, are what is seen.
    pipeline = StableDiffusion3Pipeline.from_pretrained(weights("mmdit_small"))
    wide = {"num_layers": 2, "num_attention_heads": 12, "attention_head_dim": 64}
    transformer = SD3Transformer2DModel.from_config(
        pipeline.transformer.config, **wide, caption_projection_dim=12 * 64
    )
    pipeline.register_modules(transformer=transformer)
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
