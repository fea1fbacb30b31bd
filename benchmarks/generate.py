"""How fast ``synpic generate`` draws, against a bare loop over the same pipeline.

    python benchmarks/generate.py [--prompts 256] [--rounds 3] [--json]

The baseline is the limit: the same opened pipeline called at the same batch size on the same
prompts and seeds, and its images thrown away. ``synpic generate`` also finds what is missing,
encodes PNGs, hashes them and writes parts; opening the pipeline is in neither. Both run in one
process, in turn, and the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import synpic
from synpic.generate import loop
from synpic.generate.family import Family
from synpic.generate.model import resolve_model, wanted
from synpic.prompts import ensure_prompts
from synpic.workspace import Workspace

RECIPE = """
[prompts]
world = "shapes"
count = {prompts}

[models.{model}]
samples = 2
batch_size = {batch_size}
"""


def bare(family: Family, rows: list[dict[str, Any]], size: int, batch_size: int) -> float:
    """Seconds to draw ``rows``; nothing is kept."""
    began = time.perf_counter()
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        family.draw([r["prompt"] for r in batch], [r["seed"] for r in batch], size, size)
    return time.perf_counter() - began


def measure(model: str, prompts: int, batch_size: int, rounds: int) -> dict[str, Any]:
    """Images per second of both, and their ratio."""
    limits, ours = [], []
    text = RECIPE.format(prompts=prompts, model=model, batch_size=batch_size)
    opened: list[Family] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            workspace = synpic.init_workspace(Path(folder) / "set", text)
            ensure_prompts(workspace)
            recipe = workspace.recipe
            (wanted_model,) = resolve_model(model, recipe.models[model], recipe, workspace)
            if not opened:
                opened.append(loop.open_model(workspace, wanted_model, "cpu"))
                opened[0].draw(["warm up"], [0], 32, 32)
            rows = wanted(recipe, wanted_model, workspace.prompts()).to_dicts()
            limits.append(len(rows) / bare(opened[0], rows, 32, batch_size))
            ours.append(len(rows) / _generate(workspace, opened[0]))
    limit, rate = statistics.median(limits), statistics.median(ours)
    return {
        "model": model,
        "batch size": batch_size,
        "images": 2 * prompts,
        "bare pipeline, images/s": round(limit, 1),
        "synpic generate, images/s": round(rate, 1),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, limits, strict=True)), 3),
    }


def _generate(workspace: Workspace, family: Family) -> float:
    original = loop.open_model
    loop.open_model = lambda *_: family
    try:
        began = time.perf_counter()
        synpic.generate_candidates(workspace, device="cpu").raise_if_unfinished()
        return time.perf_counter() - began
    finally:
        loop.open_model = original


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        measure(model, options.prompts, options.batch_size, options.rounds)
        for model in ("shapes_mmdit", "shapes_unet")
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("  ".join(f"{key}: {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
