"""How fast ``synpic generate`` draws, against a bare pipeline and against the loop people write.

    python benchmarks/generate.py [--models shapes_unet …] [--images 256] [--threads 1] [--json]
    python benchmarks/generate.py --options [--models …]
    python benchmarks/generate.py --full [--models sdxl sd3 pixart_sigma] [--tiny]

The same prompts, seeds and settings, in one process, in turns:

- limit: the stock pipeline of diffusers at the batch size at which it is fastest, found first, its
  images thrown away;
- synpic: ``synpic generate`` at that batch size: it also finds what is missing, encodes PNGs,
  hashes them and writes parts;
- loop: a prompt at a time, ``image.save("….png")``.

Opening is in none of them. Rates are medians of the rounds, ratios medians of the rounds' ratios.
On a CPU torch has all cores but one, which is left to encode: where a device of its own computes,
the processor is free for that. ``--threads`` says otherwise.

``--options`` measures what a recipe can ask for to save memory or time, each beside the plain run.
``--full`` is for a GPU: SDXL, SD3-Medium and PixArt-Σ at full architecture with random weights,
1024 x 1024, bfloat16; with ``--tiny`` models of a few kilobytes stand in for them, to see that it
works.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import generate_large
from benchmarks.drawing import Drawn, Job, Stock
from benchmarks.machine import describe
from synpic.engine.device import pick_device
from synpic.engine.task import Item
from synpic.errors import SynpicError
from synpic.generate.image_model import complete
from synpic.hub.checkpoints import load_unlocked
from synpic.readers.images import decode
from synpic.recipe.settings import ModelSettings

MODELS = ("shapes_mmdit", "shapes_unet", "shapes_mmdit_small", "shapes_pixart")
SIZES = (1, 2, 4, 8, 16, 32, 64)

OPTIONS: dict[str, dict[str, Any]] = {
    "vae_slicing": {"vae_slicing": True},
    "vae_tiling": {"vae_tiling": True},
    "channels_last": {"channels_last": True},
    "compile": {"compile": True},
    "offload text": {"offload": "text"},
    "offload model": {"offload": "model"},
}


@contextmanager
def embedded(name: str, options: argparse.Namespace) -> Iterator[Job]:
    """One of the embedded world's models, as the registry has it."""
    settings = complete(name, ModelSettings())
    location, _ = load_unlocked(str(settings.checkpoint), None)
    yield Job(settings, Path(location), options.device, options.images)


def compared(name: str, job: Job, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The three ways, in turns, as one row."""
    stock = Stock(job)
    size, _ = stock.best_batch(options.batches, options.sweep)
    rows = job.rows(size)
    few = rows[: options.loop]
    limits: list[Drawn] = []
    ours: list[Drawn] = []
    loops: list[Drawn] = []
    other = 0
    for number in range(options.rounds):
        # First the one and then the other: a machine that grows warm or busy favours neither.
        for which in ("limit", "ours") if number % 2 == 0 else ("ours", "limit"):
            if which == "limit":
                limits.append(stock.limit(rows, size))
            else:
                ours.append(job.ours(size, keep=number == 0))
        loops.append(stock.loop(few))
        if number == 0:
            other = unlike(stock, ours[0], rows[:size])
            ours[0].files.clear()
    row = {
        "model": name,
        "batch size": size,
        "images": job.prompts,
        "limit, images/s": _rate(limits),
        "synpic, images/s": _rate(ours),
        "loop, images/s": _rate(loops),
        "of the limit": round(_ratio(ours, limits), 3),
        "times the loop": round(_ratio(ours, loops), 2),
        "peak MiB, limit": round(max(drawn.memory for drawn in limits)),
        "peak MiB, synpic": round(max(drawn.memory for drawn in ours)),
        "other pixels": f"{other} of {size}",
    }
    if options.full:
        for title, runs in (("limit", limits), ("synpic", ours), ("loop", loops)):
            used = [drawn.used for drawn in runs if drawn.used is not None]
            row[f"GPU busy, {title}"] = round(statistics.median(used), 3) if used else "unknown"
    yield row


def unlike(stock: Stock, drawn: Drawn, rows: list[Item]) -> int:
    """How many of a batch came out otherwise than the bare pipeline draws them."""
    pixels = stock.pixels(rows)
    files = [drawn.files[row.candidate_id] for row in rows]
    kept = [np.asarray(decode(data)) for data in files]
    return sum(not np.array_equal(*pair) for pair in zip(pixels, kept, strict=True))


def with_options(name: str, job: Job, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each option, each between two plain runs; rates are of all but the first batch."""
    size = options.batch_size
    before = job.ours(size)
    for option, changed in OPTIONS.items():
        row: dict[str, Any] = {"model": name, "option": option, "batch size": size}
        try:
            drawn = job.ours(size, **changed)
        except SynpicError as error:
            yield {**row, "not here": error.message.splitlines()[0]}
            continue
        finally:
            torch.compiler.reset()
        after = job.ours(size)
        plain = (before.clock.rate + after.clock.rate) / 2
        row |= {
            "plain, images/s": _three(plain),
            "with it, images/s": _three(drawn.clock.rate),
            "times plain": round(drawn.clock.rate / plain, 3),
            "first batch, s": _three(drawn.clock.first),
            "first batch plain, s": _three(after.clock.first),
            "peak MiB, plain": round(after.memory),
            "peak MiB": round(drawn.memory),
        }
        yield row
        before = after


def _rate(runs: list[Drawn]) -> float:
    return _three(statistics.median(drawn.rate for drawn in runs))


def _ratio(ours: list[Drawn], theirs: list[Drawn]) -> float:
    return statistics.median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))


def _three(value: float) -> float:
    """Three digits that count."""
    return float(f"{value:.3g}")


def tell(row: dict[str, Any], options: argparse.Namespace) -> None:
    if not options.json:
        print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--images", type=int, help="of each model and round")
    parser.add_argument("--rounds", type=int, help="3; with --full 1")
    parser.add_argument("--loop", type=int, default=16, help="images of the loop")
    parser.add_argument("--batches", nargs="+", type=int, default=list(SIZES), help="sizes to try")
    parser.add_argument("--sweep", type=int, help="images at each of them, at least")
    parser.add_argument("--batch-size", type=int, help="of --options")
    parser.add_argument("--steps", type=int, help="of --full; the registry's if not given")
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, help="of torch, on a CPU")
    parser.add_argument("--options", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.device = pick_device(options.device or (None if options.full else "cpu"))
    options.rounds = options.rounds or (1 if options.full else 3)
    options.images = options.images or (32 if options.full else 256)
    options.sweep = options.sweep or (1 if options.full else 32)
    options.batch_size = options.batch_size or (8 if options.full else 32)
    if options.device == "cpu":
        torch.set_num_threads(options.threads or max(1, (os.cpu_count() or 2) - 1))
    if not options.json:
        print(describe(options.device), flush=True)
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    prepared = generate_large.opened if options.full else embedded
    names = generate_large.MODELS if options.full else MODELS
    rows: list[dict[str, Any]] = []
    for name in options.models or names:
        with prepared(name, options) as job:
            ways = with_options if options.options else compared
            for row in ways(name, job, options):
                tell(row, options)
                rows.append(row)
    if options.json:
        print(json.dumps({"machine": describe(options.device), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
