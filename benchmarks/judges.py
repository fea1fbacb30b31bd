"""How fast images are judged, against the bare forward pass of what looks at them.

    python benchmarks/judges.py [--reduced] [--device cuda] [--dtype bfloat16] [--json]

Every judge has random weights, at the size that is published unless ``--reduced`` is given, and
judges PNGs of smooth noise, in one process:

- limit: the forward pass of its largest network on tensors that are ready, on the device;
- synpic: ``synpic score``: it also reads parts, decodes, makes ready, finds objects or answers,
  decides, and writes parts.

Opening, with its canary, is in neither. On a CPU torch has all cores but one, which is left to
decode: where a device of its own computes, the processor is free for that.

A judge is a line in ``JUDGES``: a function that saves weights and returns a :class:`Setup`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.rewards import Clock, Moment, build, encoded, settle
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import score_candidates
from synpic.readers.images import decode
from synpic.score import judging_task
from synpic.score.judges.wanted import WantedJudge, open_judge
from synpic.workspace import Workspace, tables
from synpic.workspace.suite import write_suite


@dataclass(frozen=True)
class Setup:
    """What is measured.

    Args:
        table: of the recipe, without its head: checkpoint and options.
        spec: what is asked of every image.
        forward: an opened judge and a batch that is ready → its bare forward pass, to be called.
    """

    table: str
    spec: dict[str, Any]
    forward: Callable[[Any, Sequence[Any]], Callable[[], Any]]


def geneval(folder: Path, reduced: bool, dtype: str) -> Setup:
    """Mask2Former on a Swin-S, with weights at which it finds things."""
    from synpic.score.judges.detection.detector import network
    from synpic.score.judges.detection.mmdet_layout import from_mmdet
    from synpic.score.judges.detection.shown import stacked
    from tests.score.judges.detection.mmdet import SWIN_S, TINY, weights
    from tests.score.judges.detection.test_colours import save_clip

    size = TINY if reduced else SWIN_S
    made = network(size.architecture())
    state = made.state_dict()
    wanted = [key for key in state if "swin.layernorm" not in key and "criterion" not in key]
    tensors = {name: torch.from_numpy(array) for name, array in weights(size).items()}
    made.load_state_dict({**state, **from_mmdet(tensors, wanted, "random weights")})
    made.save_pretrained(folder / "detector")
    save_clip(folder / "clip")

    def forward(judge: Any, ready: Sequence[Any]) -> Callable[[], Any]:
        pixels = stacked(ready, judge._detector._device)
        return lambda: judge._detector.logits(pixels)

    options = f'options = {{ clip = "{folder / "clip"}", dtype = "{dtype}" }}\n'
    objects = {"include": [{"class": "dog", "count": 1}]}
    return Setup(f'checkpoint = "{folder / "detector"}"\n{options}', {"objects": objects}, forward)


JUDGES: dict[str, Callable[[Path, bool, str], Setup]] = {"geneval": geneval}


def measure(name: str, root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Images per second of both, and their ratio."""
    (root / name).mkdir()
    setup = JUDGES[name](root / name, options.reduced, options.dtype)
    size, device = options.batch_size, options.device
    table = f"[judges.{name}]\nbatch_size = {size}\n{setup.table}"
    workspace = build(root / f"{name}-set", options.images, options.edge, table)
    _ask(workspace, setup.spec)
    (wanted,) = take_inventory(workspace).judges
    assert isinstance(wanted, WantedJudge)
    judge: Any = open_judge(wanted, workspace, device)
    _, files = encoded(workspace)
    ready = [judge.pixels(decode(data)) for data in files]
    passes = [
        setup.forward(judge, ready[start : start + size]) for start in range(0, len(ready), size)
    ]

    def limit() -> tuple[float, float]:
        settle(device)
        began = Moment()
        with torch.inference_mode():
            for one in passes:
                one()
        settle(device)
        ended = Moment()
        return ended.wall - began.wall, ended.cpu - began.cpu

    passes[0]()  # kernels are chosen
    before = limit()
    clock = Clock()
    with patch.object(judging_task, "open_judge", lambda *_: judge):
        report = score_candidates(workspace, only=[name], device=device, listener=clock)
    report.raise_if_unfinished()
    ours, ours_cpu = (
        clock.ended.wall - clock.began.wall,
        clock.ended.cpu - clock.began.cpu,
    )
    # Before and after: on a busy machine both sides of a ratio should see the same hour.
    bare, bare_cpu = ((one + other) / 2 for one, other in zip(before, limit(), strict=True))
    return {
        "judge": name,
        "forward pass, ms": round(1000 * bare / len(passes)),
        "limit, images/s": round(len(files) / bare, 3),
        "synpic, images/s": round(len(files) / ours, 3),
        "of the limit": round(bare / ours, 3),
        "of the limit, CPU time": round(bare_cpu / ours_cpu, 3),
    }


def _ask(workspace: Workspace, spec: dict[str, Any]) -> None:
    """Every prompt an item that asks the same."""
    rows = [
        {"prompt_id": one, "suite": "all", "version": "1", "item": one, "tag": "", "spec": spec}
        for one in take_inventory(workspace).prompts["prompt_id"]
    ]
    texts = [{**row, "spec": json.dumps(row["spec"])} for row in rows]
    write_suite(workspace, pa.Table.from_pylist(texts, tables.SUITE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="small architectures")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--edge", type=int, default=512, help="pixels each side")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--judges", nargs="+", default=list(JUDGES), choices=list(JUDGES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.judges:
            rows.append(measure(name, Path(folder), options))
            if not options.json:
                print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
