"""How fast images are scored, against the bare models and against the way it is usually written.

    python benchmarks/rewards.py [--full] [--device cuda] [--dtype bfloat16] [--json]

Every reward has random weights, at a reduced size unless ``--full`` is given, and scores the same
PNGs of smooth noise, four to a prompt, in one process:

- limit: the reward's forward pass on tensors that are ready, on the device, texts read before;
- synpic: ``synpic score``: it also reads parts, decodes, makes ready, reads texts, writes parts;
- upstream's pattern: one image at a time, decoded when its turn comes, its text read every time.

Then all of them at once, ``synpic score --together``, against the limits of all. Opening is in none
of these. On a CPU torch has all cores but one, which is left to decode: where a device of its own
computes, the processor is free for that.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from synpic.engine.progress import Event
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import score_candidates
from synpic.readers.images import decode
from synpic.score import scoring_task
from synpic.score.reward import open_reward
from synpic.score.two_stage import TwoStageReward
from synpic.workspace import Workspace
from tests.publish import fixtures
from tests.score import random_rewards

REWARDS = (
    "hpsv2",
    "hpsv3",
    "pickscore",
    "imagereward",
    "cyclereward",
    "mps",
    "vqascore",
    "vlm_yes",
    "vlm_rating",
    "clip_score",
    "aesthetic",
)
PER_PROMPT = 4
OPTIONS = {"vlm_rating": {"answer": "{overall}"}}
"""Random weights write no words: they rate by their first token."""


def picture(row: dict[str, Any], edge: int) -> bytes:
    """A PNG about as large, and as slow to decode, as one of a photograph."""
    rng = np.random.default_rng(int(row["candidate_id"][:8], 16))
    coarse = rng.integers(0, 256, (edge // 16, edge // 16, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC))
    grain = rng.normal(0, 4, smooth.shape)
    buffer = io.BytesIO()
    Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def build(root: Path, images: int, edge: int, rewards: str) -> Workspace:
    text = '[prompts]\nfile = "prompts.txt"\n\n[models.alpha]\ncheckpoint = "./weights/alpha"\n'
    text += f"samples = {PER_PROMPT}\n\n{rewards}"
    prompts = [
        (f"picture {n}: a small red house by the sea, its door ajar, under a wide sky", "train")
        for n in range(images // PER_PROMPT)
    ]
    return fixtures.build(
        root,
        prompts,
        text=text,
        draw=lambda row: picture(row, edge),
        score=lambda *_: None,
        rows_per_part=64,
    )


class Moment:
    """Now: on the wall, and in processor time, which a busy machine does not lengthen."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()


class Clock:
    """Seconds from the first batch's beginning to the last's end, opening left out."""

    def __init__(self) -> None:
        self.began = self.ended = Moment()

    def __call__(self, event: Event) -> None:  # noqa: D102
        if event.state == "working" and not event.done:
            self.began = Moment()
        self.ended = Moment()


def settle(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: str) -> float:
    """MiB: of the device; of this process on a CPU."""
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated() / 2**20)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM"))


def encoded(workspace: Workspace) -> tuple[list[str], list[bytes]]:
    inventory = take_inventory(workspace)
    rows = inventory.candidates()
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    return rows["prompt"].to_list(), workspace.images(inventory.image_folders()).read(keys)


def forget_texts(reward: Any) -> None:
    """What upstream's pattern does not remember."""
    if hasattr(reward, "_texts"):
        reward._texts._known.clear()


def forget_answers(reward: Any) -> None:
    """What was said of images that are given again."""
    if hasattr(reward, "_vlm"):
        reward._vlm._answers.clear()


def opened(rewards: dict[str, Any]) -> AbstractContextManager[Any]:
    """``synpic score`` is given these, opened and warm, in place of opening its own."""
    return patch.object(scoring_task, "open_reward", lambda wanted, *_: rewards[wanted.name])


def measure(name: str, workspace: Workspace, options: argparse.Namespace) -> dict[str, Any]:
    """Images per second of the three, and their ratios."""
    device, size = options.device, options.batch_size
    (wanted,) = (r for r in take_inventory(workspace).found_rewards if r.name == name)
    reward: Any = open_reward(wanted, workspace, device)
    assert isinstance(reward, TwoStageReward)
    prompts, files = encoded(workspace)
    ready = reward.side_by_side([reward.pixels(decode(data)) for data in files])
    if torch.is_tensor(ready):
        ready = ready.to(device)

    def limit() -> tuple[float, float]:
        forget_answers(reward)
        settle(device)
        began = Moment()
        for start in range(0, len(files), size):
            reward.judge(prompts[start : start + size], ready[start : start + size])
        settle(device)
        ended = Moment()
        return ended.wall - began.wall, ended.cpu - began.cpu

    limit()  # texts are read, kernels chosen
    forget_peak(device)
    before = limit()
    bare_peak = peak(device)

    forget_texts(reward)
    forget_answers(reward)
    forget_peak(device)
    clock = Clock()
    with opened({name: reward}):
        report = score_candidates(workspace, only=[name], device=device, listener=clock)
    report.raise_if_unfinished()
    ours = clock.ended.wall - clock.began.wall
    ours_cpu = clock.ended.cpu - clock.began.cpu
    ours_peak = peak(device)
    # Before and after: on a busy machine both sides of a ratio should see the same hour.
    bare, bare_cpu = ((one + other) / 2 for one, other in zip(before, limit(), strict=True))

    few = files[: options.one_by_one]
    forget_answers(reward)
    settle(device)
    began = time.perf_counter()
    for prompt, data in zip(prompts, few, strict=False):
        forget_texts(reward)
        reward.score([prompt], [decode(data)])
    settle(device)
    usual = time.perf_counter() - began
    rate = len(files) / ours
    return {
        "reward": name,
        "limit, images/s": round(len(files) / bare, 2),
        "synpic, images/s": round(rate, 2),
        "upstream's pattern, images/s": round(len(few) / usual, 2),
        "of the limit": round(bare / ours, 3),
        "of the limit, CPU time": round(bare_cpu / ours_cpu, 3),
        "times upstream's": round(rate * usual / len(few), 2),
        "peak MiB, limit": round(bare_peak),
        "peak MiB, synpic": round(ours_peak),
    }


def measure_all(workspace: Workspace, rows: list[dict[str, Any]], device: str) -> dict[str, Any]:
    """All rewards at once, each image decoded once."""
    rewards: dict[str, Any] = {}
    _, files = encoded(workspace)
    for wanted in take_inventory(workspace).found_rewards:
        reward: Any = open_reward(wanted, workspace, device)
        reward.score(["warm up"] * 4, [decode(data) for data in files[:4]])
        rewards[wanted.name] = reward
    begun: list[float] = []
    ended: list[float] = []

    def listen(event: Event) -> None:
        if event.state == "working" and not event.done:
            begun.append(time.perf_counter())
        ended.append(time.perf_counter())

    forget_peak(device)
    with opened(rewards):
        report = score_candidates(workspace, device=device, together=True, listener=listen)
    report.raise_if_unfinished()
    seconds = ended[-1] - begun[0]
    images = report.outcomes[0].made
    limits = sum(images / row["limit, images/s"] for row in rows)
    return {
        "reward": "all together",
        "limit, images/s": round(images / limits, 2),
        "synpic, images/s": round(images / seconds, 2),
        "of the limit": round(limits / seconds, 3),
        "peak MiB, synpic": round(peak(device)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="architectures as published")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--edge", type=int, default=512, help="pixels each side")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--one-by-one", type=int, default=32, help="images of upstream's pattern")
    parser.add_argument("--rewards", nargs="+", default=list(REWARDS), choices=REWARDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    size = random_rewards.FULL if options.full else random_rewards.REDUCED
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = {name: random_rewards.make(name, root, size) for name in options.rewards}
        tables = "".join(
            reward.table(name, options.batch_size, dtype=options.dtype, **OPTIONS.get(name, {}))
            for name, reward in made.items()
        )
        workspace = build(root / "each", options.images, options.edge, tables)
        for name in options.rewards:
            rows.append(measure(name, workspace, options))
            if not options.json:
                print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
        if len(rows) > 1:
            again = build(root / "all", options.images, options.edge, tables)
            rows.append(measure_all(again, rows, options.device))
            if not options.json:
                print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()))
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
