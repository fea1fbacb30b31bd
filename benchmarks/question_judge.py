"""How fast a suite's questions are answered, against the bare forward passes.

    python benchmarks/question_judge.py [--device cuda] [--dtype bfloat16] [--hidden 1024] [--json]

A Qwen3-VL of random weights is asked the same questions about each image, in one process:

- limit: the forward passes alone, on tokens and pixels that are ready and on the device;
- judge: ``vlm_questions``: it also fills in questions, makes tokens and pixels, reads answers;
- synpic: ``synpic score``: it also reads parts, decodes images, writes verdicts.

Opening is in none of these.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.machine import settle
from benchmarks.rewards import Clock, Moment, build, encoded
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import score_candidates
from synpic.readers.images import decode
from synpic.score import judging_task
from synpic.score.judges.judge import Requirement
from synpic.score.judges.question_options import QUESTION
from synpic.score.judges.vlm_questions import VlmQuestions
from synpic.score.vlm.canary import grey_image
from synpic.workspace import Workspace, tables
from synpic.workspace.suite import write_suite
from tests.score.tiny_vlms import save_vlm

TEXTS = (
    "Is there a house?",
    "Is the house red?",
    "Is the door ajar?",
    "How many houses are there?",
)
SPEC = {
    "questions": [
        {"id": f"{n}", "text": text, "answer": "one" if text.startswith("How") else "yes"}
        for n, text in enumerate(TEXTS)
    ]
}


def opened(folder: Path, options: argparse.Namespace, yes: str, no: str) -> VlmQuestions:
    return VlmQuestions(str(folder), None, options.device, dtype=options.dtype, yes=[yes], no=[no])


def timed(run: Callable[[], object], device: str) -> tuple[float, float]:
    """Seconds on the wall, and of processors, which a busy machine does not lengthen."""
    settle(device)
    began = Moment()
    run()
    settle(device)
    ended = Moment()
    return ended.wall - began.wall, ended.cpu - began.cpu


def ask(workspace: Workspace) -> None:
    """Every prompt an item of a suite with the questions."""
    rows = [
        {"prompt_id": one, "suite": "bench", "version": "1", "item": one, "tag": "", "spec": spec}
        for one in take_inventory(workspace).prompts["prompt_id"]
        for spec in [json.dumps(SPEC)]
    ]
    write_suite(workspace, pa.Table.from_pylist(rows, tables.SUITE))


def measure(workspace: Workspace, judge: VlmQuestions, options: argparse.Namespace) -> Any:
    """Questions a second of the three, and ratios."""
    device, size = options.device, options.batch_size
    _, files = encoded(workspace)
    pixels = [judge.pixels(decode(data)) for data in files]
    asked = [Requirement("a house", spec=SPEC)] * len(pixels)
    vlm: Any = judge._vlm
    chats = vlm.chats(TEXTS, QUESTION) * len(pixels)
    images = [image for image in pixels for _ in TEXTS]
    ready = [
        vlm._inputs(chats[start : start + size], images[start : start + size])
        for start in range(0, len(chats), size)
    ]

    def limit() -> None:
        with torch.inference_mode():
            for inputs in ready:
                vlm._model(**inputs, logits_to_keep=1)

    def judged() -> None:
        for start in range(0, len(pixels), size):
            judge.judge(asked[start : start + size], pixels[start : start + size])

    judged()  # kernels are chosen
    # Before and after: on a busy machine both sides of a ratio should see the same hour.
    before = timed(limit, device)
    ours = timed(judged, device)
    clock = Clock()
    with patch.object(judging_task, "open_judge", lambda *_: judge):
        report = score_candidates(workspace, device=device, listener=clock)
    report.raise_if_unfinished()
    whole = clock.ended.wall - clock.began.wall, clock.ended.cpu - clock.began.cpu
    bare = [(one + other) / 2 for one, other in zip(before, timed(limit, device), strict=True)]
    return {
        "questions": len(chats),
        "ms a pass": round(1000 * bare[0] / len(ready), 1),
        "limit, questions/s": round(len(chats) / bare[0], 2),
        "judge, questions/s": round(len(chats) / ours[0], 2),
        "synpic, questions/s": round(len(chats) / whole[0], 2),
        "judge of the limit": round(bare[0] / ours[0], 3),
        "synpic of the limit": round(bare[0] / whole[0], 3),
        "synpic of the limit, CPU time": round(bare[1] / whole[1], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--edge", type=int, default=512, help="pixels each side")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256, help="width of the language model")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        saved = save_vlm(
            "qwen3_vl",
            root / "vlm",
            hidden_size=options.hidden,
            intermediate_size=3 * options.hidden,
            num_hidden_layers=options.layers,
            num_attention_heads=options.hidden // 64,
            num_key_value_heads=max(1, options.hidden // 256),
        )
        judge = opened(saved, options, "Yes", "No")
        # Of random weights either may be yes: that by which a grey image is not affirmed.
        if judge.judge([judge.canary()], [judge.pixels(grey_image())])[0].correct:
            judge = opened(saved, options, "No", "Yes")
        workspace = build(
            root / "set",
            options.images,
            options.edge,
            f'[judges.asks]\njudge = "vlm_questions"\ncheckpoint = "{saved}"\n'
            f"batch_size = {options.batch_size}\n",
        )
        ask(workspace)
        found = measure(workspace, judge, options)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print("  ".join(f"{key}: {value}" for key, value in found.items()))


if __name__ == "__main__":
    main()
