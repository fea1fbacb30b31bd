"""How fast images are judged, against the bare forward pass.

    python benchmarks/judging.py [--images 96] [--edge 512] [--device cuda] [--json]

- convolutions: a judge with random weights whose forward pass takes about 60 ms an image on a core.
  *Limit* is that pass on tensors that are ready; *synpic* is ``synpic score``, which also reads
  parts, decodes, makes ready, checks and writes verdicts. Opening and canary are in neither.
- shapes: the judge of the embedded world on ``--scenes`` rendered scenes; *limit* is its reading
  and its verdict, in one thread.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import torch
from PIL.Image import Image, Resampling

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.rewards import Clock, Moment, encoded, picture, settle
from synpic.pipeline.steps import score_candidates
from synpic.readers.images import decode
from synpic.score import judging_task
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import RewardInfo
from synpic.shapes.judging import ShapesJudge
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts as shapes_prompts
from synpic.shapes.scene import to_image
from synpic.workspace import Workspace
from tests.publish import fixtures


class Convolved(Judge):
    """Random convolutions, with as much work an image as a detector of 50 ms has."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="random convolutions")
    preprocessing: Hashable = "224, for random convolutions"

    def __init__(self, device: str = "cpu", layers: int = 6, width: int = 96) -> None:
        torch.manual_seed(0)
        channels = [3, *[width] * layers]
        pairs = itertools.pairwise(channels)
        convolutions = [torch.nn.Conv2d(a, b, 3, padding=1) for a, b in pairs]
        self._network = torch.nn.Sequential(torch.nn.AvgPool2d(2), *convolutions).to(device).eval()
        self._device = device

    def pixels(self, image: Image) -> torch.Tensor:
        """``float32[3, 224, 224]``, 0 … 1."""
        small = image.resize((224, 224), Resampling.BICUBIC)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255

    @torch.inference_mode()
    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """Noise, with four parts each."""
        found = self._network(torch.stack(list(pixels)).to(self._device)).mean((1, 2, 3)).sigmoid()
        return [self._verdict(one.prompt, p) for one, p in zip(requirements, found, strict=True)]

    @staticmethod
    def _verdict(prompt: str, probability: torch.Tensor) -> Verdict:
        found = float(probability)
        parts = tuple(
            VerdictPart(str(n), f"{prompt}?", f"{found:.3f}", found, found > 0.5) for n in range(4)
        )
        return Verdict(found > 0.5, found, parts, "" if found > 0.5 else f"{found:.3f} is too low")

    def canary(self) -> None:
        """None: noise affirms anything."""


def measured(
    workspace: Workspace, judge: Judge, size: int, device: str, ready: Sequence[Any] | None
) -> dict[str, Any]:
    """Of one judge, ``synpic score`` beside its own calls in a loop.

    Args:
        ready: what it is given; made within the limit if None.
    """
    prompts, files = encoded(workspace)
    asked = [Requirement(prompt) for prompt in prompts]
    pictures = None if ready is not None else [decode(data) for data in files]

    def limit() -> tuple[float, float]:
        settle(device)
        began = Moment()
        given = ready if ready is not None else [judge.pixels(one) for one in pictures or ()]
        for start in range(0, len(given), size):
            judge.judge(asked[start : start + size], given[start : start + size])
        settle(device)
        ended = Moment()
        return ended.wall - began.wall, ended.cpu - began.cpu

    limit()
    before = limit()
    clock = Clock()
    with patch.object(judging_task, "open_judge", lambda *_: judge):
        report = score_candidates(workspace, device=device, listener=clock)
    report.raise_if_unfinished()
    ours, ours_cpu = clock.ended.wall - clock.began.wall, clock.ended.cpu - clock.began.cpu
    bare, bare_cpu = ((one + other) / 2 for one, other in zip(before, limit(), strict=True))
    return {
        "images": len(files),
        "limit, ms an image": round(1000 * bare / len(files), 2),
        "limit, images/s": round(len(files) / bare, 1),
        "synpic, images/s": round(len(files) / ours, 1),
        "of the limit": round(bare / ours, 3),
        "of the limit, CPU time": round(bare_cpu / ours_cpu, 3),
        "synpic, seconds": round(ours, 1),
    }


RECIPE = """
[prompts]
file = "prompts.txt"

[models.alpha]
checkpoint = "./weights/alpha"
samples = 2

[judges.{name}]
batch_size = 32
{more}
"""


def convolutions(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    judge = Convolved(options.device)
    code = 'judge = "benchmarks.judging:Convolved"'
    workspace = fixtures.build(
        root,
        [(f"picture {n}: a house by the sea", "train") for n in range(options.images // 2)],
        text=RECIPE.format(name="convolved", more=code),
        draw=lambda row: picture(row, options.edge),
        score=lambda *_: None,
        rows_per_part=64,
    )
    _, files = encoded(workspace)
    ready = [judge.pixels(decode(data)) for data in files]
    return {"judge": "convolutions", **measured(workspace, judge, 32, options.device, ready)}


def shapes(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    texts = [text for text, _ in shapes_prompts(options.scenes // 2, 0, "test")]
    rng = np.random.default_rng(0)
    of_prompt: dict[str, list[bytes]] = {text: [_scene(text, rng) for _ in "12"] for text in texts}
    workspace = fixtures.build(
        root,
        [(text, "test") for text in texts],
        text=RECIPE.format(name="shapes", more=""),
        draw=lambda row: of_prompt[row["prompt"]][row["sample"]],
        score=lambda *_: None,
        rows_per_part=64,
    )
    return {"judge": "shapes", **measured(workspace, ShapesJudge(), 32, "cpu", None)}


def _scene(text: str, rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    to_image(illustrate(parse(text), rng)).save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--edge", type=int, default=512, help="pixels each side")
    parser.add_argument("--scenes", type=int, default=1200)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    with tempfile.TemporaryDirectory() as folder:
        rows = [convolutions(Path(folder) / "a", options), shapes(Path(folder) / "b", options)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("  ".join(f"{key}: {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
