"""What a half-precision trunk does to scores, to ties and to the order within a prompt.

    python benchmarks/precision.py [--full] [--device cuda] [--prompts 16] [--json]

Every reward has random weights and scores the same pictures, four to a prompt, with its trunk in
float32, bfloat16 and float16; features and heads are in float32 throughout, as synpic always has
them. ``all in bfloat16`` is what comes of the float32 scores where heads are in bfloat16 too: they
are rounded to it. Errors are in units of the deviation of a prompt's scores; order is Kendall's τ
with float32's, over pairs of one prompt; ties are pairs of one prompt with the very same score.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.rewards import PER_PROMPT, REWARDS, picture
from synpic.readers.images import decode
from synpic.registry import REWARDS as REGISTERED
from tests.score import random_rewards


def pairs(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both members of every pair of images of one prompt."""
    first, second = zip(*combinations(range(PER_PROMPT), 2), strict=True)
    return scores[:, list(first)], scores[:, list(second)]


def compare(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    spread = float(truth.std(axis=1).mean())
    sign = [np.sign(a - b) for a, b in (pairs(truth), pairs(found))]
    error = np.abs(found - truth) / spread
    return {
        "mean error": round(float(error.mean()), 4),
        "largest error": round(float(error.max()), 4),
        "order kept (τ)": round(float((sign[0] * sign[1]).mean()), 4),
        "ties, %": round(100 * float((sign[1] == 0).mean()), 2),
    }


def measure(name: str, root: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    size = random_rewards.FULL if options.full else random_rewards.REDUCED
    made = random_rewards.make(name, root, size)
    names = [f"{n:08x}" for n in range(options.prompts * PER_PROMPT)]
    images = [decode(picture({"candidate_id": name}, 256)) for name in names]
    prompts = [f"picture {n // PER_PROMPT}: a red house by the sea" for n in range(len(images))]
    companions = {f"{key}_revision": None for key in made.options}
    found: dict[str, np.ndarray] = {}
    for dtype in ("float32", "bfloat16", "float16"):
        if (name, dtype) == ("vqascore", "float16"):  # refused: T5 overflows
            continue
        reward = REGISTERED.load(name)(
            checkpoint=str(made.checkpoint),
            revision=None,
            device=options.device,
            dtype=dtype,
            **made.options,
            **companions,
        )
        scores: list[float] = []
        for start in range(0, len(images), 16):
            scores += reward.score(prompts[start : start + 16], images[start : start + 16])
        found[f"{dtype} trunk"] = np.asarray(scores, np.float32).reshape(-1, PER_PROMPT)
    truth = found["float32 trunk"]
    rounded = torch.from_numpy(truth).bfloat16().float().numpy()
    found["all in bfloat16"] = rounded
    return [
        {"reward": name, "scores": kind, **compare(truth, scores)} for kind, scores in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="architectures as published")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--rewards", nargs="+", default=list(REWARDS), choices=REWARDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.rewards:
            for row in measure(name, Path(folder), options):
                rows.append(row)
                if not options.json:
                    print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
