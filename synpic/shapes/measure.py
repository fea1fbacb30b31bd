"""Measure a model by the judge: how often it draws what a prompt of a held-out combination asks.

    python -m synpic.shapes.measure mmdit
    python -m synpic.shapes.measure unet --weights runs/unet/model --split validation --guidance 2

The six tasks weigh the same, as in GenEval. Settings are chosen on the validation split; the test
split is for the last word.
"""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

from synpic.recipe.settings import ModelSettings
from synpic.shapes.judge import lenient, read, strict
from synpic.shapes.meaning import parse
from synpic.shapes.models import MMDIT, MMDIT_SMALL, PIXART, UNET
from synpic.shapes.prompts import examination
from synpic.shapes.scene import CANVAS

__all__ = ["KNOWN", "draw_all", "main", "summarise", "weights", "wilson"]

_BATCH = 32


def weights(name: str) -> Path:
    """The folder of a packaged model: ``mmdit``, ``unet`` …"""
    return Path(str(files("synpic.shapes"))) / "weights" / name


def draw_all(
    folder: Path, texts: Sequence[str], seed: int, settings: ModelSettings
) -> list[Image.Image]:
    """Draw a picture for each text with the pipeline in ``folder``, the i-th from ``seed + i``."""
    import torch
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    images: list[Image.Image] = []
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(batch))]
        drawn = pipeline(
            batch,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            width=CANVAS,
            height=CANVAS,
            generator=generators,
            **settings.call,
        )
        images += drawn.images
    return images


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    return centre - half, centre + half


def summarise(
    texts: Sequence[str], tasks: Sequence[str], images: Sequence[Image.Image]
) -> dict[str, Any]:
    """Shares of pictures that pass the judge, in all and by task, with what was drawn."""
    readings = [read(image) for image in images]
    passed = [strict(text, reading) for text, reading in zip(texts, readings, strict=True)]
    loose = [lenient(text, reading) for text, reading in zip(texts, readings, strict=True)]
    count = len(texts)
    found = [thing for reading in readings for thing in reading.found]
    by_task = {
        task: [ok for ok, its in zip(passed, tasks, strict=True) if its == task]
        for task in dict.fromkeys(tasks)
    }
    return {
        "count": count,
        **_share(passed),
        "lenient": round(sum(loose) / count, 4),
        "things": round(len(found) / count, 3),
        "things_asked": round(sum(len(parse(text).wanted) for text in texts) / count, 3),
        "blank": round(sum(reading.blank for reading in readings) / count, 4),
        "purity": round(sum(thing.purity for thing in found) / max(len(found), 1), 4),
        "by_task": {task: {"count": len(oks), **_share(oks)} for task, oks in by_task.items()},
    }


def _share(passed: Sequence[bool]) -> dict[str, Any]:
    low, high = wilson(sum(passed), len(passed))
    return {
        "strict": round(sum(passed) / len(passed), 4),
        "interval": [round(low, 4), round(high, 4)],
    }


KNOWN = {"mmdit": MMDIT, "unet": UNET, "mmdit_small": MMDIT_SMALL, "pixart": PIXART}
"""Folder of the weights → the model that is registered with them, the best first."""


def main(argv: list[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description="Measure a model of the shapes world.")
    parser.add_argument("model", choices=list(KNOWN))
    parser.add_argument("--weights", type=Path, help="other weights than the package's")
    parser.add_argument("--count", type=int, default=1200, help="pictures, a sixth for each task")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(argv)
    asked = {"steps": args.steps, "guidance": args.guidance}
    settings = KNOWN[args.model].settings.model_copy(
        update={key: value for key, value in asked.items() if value is not None}
    )
    tasks, texts = zip(*examination(args.count, args.seed, args.split), strict=True)
    folder = args.weights or weights(args.model)
    draw_all(folder, texts[:1], args.seed, settings)  # imports and first calls are not counted
    started = time.monotonic()
    images = draw_all(folder, texts, args.seed, settings)
    seconds = time.monotonic() - started
    figures = {
        "model": args.model,
        "split": args.split,
        "seed": args.seed,
        "steps": settings.steps,
        "guidance": settings.guidance,
        **summarise(texts, tasks, images),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    print(f"{len(images) / seconds:.1f} images/s", file=sys.stderr)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
