"""How fast a release is packed, in how much memory, and how little of the next one is new.

    python benchmarks/publish.py [--prompts 30] [--json]

Three tables, of noise in place of images (what is compressed already packs so):

- rate: ``ranked`` packed to a file, against copying as many bytes from file to file, and against
  what ``Dataset.push_to_hub`` does to pack the same rows (``Dataset.to_parquet``, the images
  embedded); all three end on the disk.
- memory: peak resident memory of a process that publishes to a folder, as the workspace grows.
- resent: how much of a release that follows is not in the one before, as storage sees it that cuts
  files where their content says so (a rolling hash; chunks of 64 KiB on average, 8 to 128 KiB, as
  Xet's; its table of the hash is another one, so its cuts are elsewhere).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from synpic.publish import publish_to
from synpic.workspace import Workspace
from tests.publish import fixtures

MODELS = ("alpha", "beta", "gamma")
IMAGE_BYTES = 1_000_000
SIZES = (1, 4, 16)


def prompts(count: int) -> list[tuple[str, str]]:
    return [(f"prompt number {number}", "train") for number in range(count)]


def noise(row: dict[str, Any]) -> bytes:
    """A small PNG with noise behind it: 1 MB that nothing makes smaller, as an image of 1024²."""
    seed = int(row["candidate_id"][:8], 16)
    return fixtures.picture(row, edge=4) + np.random.default_rng(seed).bytes(IMAGE_BYTES)


def build(root: Path, count: int, rewards: tuple[str, ...] = fixtures.REWARDS) -> Workspace:
    text = fixtures.recipe()
    for reward in set(rewards) - set(fixtures.REWARDS):
        text += f'\n[rewards.{reward}]\nreward = "tests.publish.fixtures:Brightness"\n'
    return fixtures.build(root, prompts(count), text=text, draw=noise, rows_per_part=64)


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    os.sync()
    return time.perf_counter() - began


def rate(folder: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    """Bytes per second of the three ways, the best of ``rounds`` of each, in turn."""
    import datasets

    datasets.disable_progress_bars()
    workspace = build(folder / "set", count)
    publish_to(workspace, folder / "first", configs=["ranked"])
    shards = sorted((folder / "first/ranked").glob("*.parquet"))
    size = sum(shard.stat().st_size for shard in shards)
    rows = datasets.load_dataset(
        str(folder / "first"), "ranked", split="train", cache_dir=str(folder / "cache")
    )
    ways: dict[str, Callable[[int], Any]] = {
        "copying": lambda number: [
            shutil.copyfile(shard, folder / f"copy-{number}-{shard.name}") for shard in shards
        ],
        "synpic publish": lambda number: publish_to(
            workspace, folder / f"out-{number}", configs=["ranked"]
        ),
        "Dataset.to_parquet": lambda number: rows.to_parquet(str(folder / f"{number}.parquet")),
    }
    best = dict.fromkeys(ways, float("inf"))
    for number in range(rounds):
        for name, way in ways.items():
            best[name] = min(best[name], seconds(partial(way, number)))
    return [
        {
            "way": name,
            "MB": round(size / 1e6, 1),
            "MB/s": round(size / 1e6 / took, 1),
            "time, to copying": round(took / best["copying"], 2),
        }
        for name, took in best.items()
    ]


def memory(folder: Path, count: int) -> list[dict[str, Any]]:
    """Peak memory of a process of its own that publishes, for each size of workspace."""
    found = []
    for times in SIZES:
        build(folder / f"set-{times}", count * times)
        command = [sys.executable, __file__, "--peak", str(folder / f"set-{times}")]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append({"prompts": count * times, **json.loads(ended.stdout)})
        shutil.rmtree(folder / f"set-{times}")
    for row in found:
        row["to the first"] = round(row["peak MiB"] / found[0]["peak MiB"], 2)
    return found


def peak(workspace: Path) -> dict[str, Any]:
    """Publish ``workspace`` beside itself, and say how much memory that took at most."""
    release = publish_to(Workspace.open(workspace), workspace.with_name("released"))
    shutil.rmtree(release.directory)
    return {"release MB": round(release.bytes / 1e6, 1), "peak MiB": round(most_memory())}


def most_memory() -> float:
    """MiB that this process took at most. (``ru_maxrss`` counts what it was forked from, too.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def resent(folder: Path, count: int) -> list[dict[str, Any]]:
    """Bytes of chunks that the release before did not have."""
    known = chunks(build(folder / "before", count), folder / "release-0")
    changes = {
        "nothing": build(folder / "same", count),
        "10 % more prompts": build(folder / "more", count + count // 10),
        "one more reward": build(folder / "reward", count, (*fixtures.REWARDS, "brightness")),
    }
    found = []
    for number, (change, workspace) in enumerate(changes.items(), start=1):
        cut = chunks(workspace, folder / f"release-{number}")
        total, new = sum(cut.values()), sum(cut[one] for one in cut.keys() - known.keys())
        found.append(
            {
                "change": change,
                "release MB": round(total / 1e6, 1),
                "new MB": round(new / 1e6, 2),
                "new %": round(100 * new / total, 1),
            }
        )
    return found


def chunks(workspace: Workspace, folder: Path) -> dict[bytes, int]:
    """Hash → length of the chunks of a release's tables."""
    publish_to(workspace, folder)
    found: dict[bytes, int] = {}
    for file in sorted(folder.rglob("*.parquet")):
        data = file.read_bytes()
        start = 0
        for stop in cuts(data):
            found[hashlib.sha256(data[start:stop]).digest()] = stop - start
            start = stop
    return found


def cuts(data: bytes, least: int = 8192, most: int = 131072, bits: int = 16) -> list[int]:
    """Where a gear hash of the last 64 bytes cuts ``data``; the last is its end."""
    gear = np.random.default_rng(0).integers(0, 2**64, 256, dtype=np.uint64)
    table = gear[np.frombuffer(data, np.uint8)]
    rolling = np.zeros(len(data), np.uint64)
    for back in range(64):
        rolling[back:] += table[: len(data) - back] << np.uint64(back)
    marks = np.flatnonzero(rolling >> np.uint64(64 - bits) == 0) + 1
    found: list[int] = []
    start = 0
    while start < len(data):
        after = marks[np.searchsorted(marks, start + least) :]
        stop = min(int(after[0]) if len(after) else len(data), start + most, len(data))
        found.append(stop)
        start = stop
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(json.dumps(peak(options.peak)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tables = {
            "rate": rate(folder / "rate", options.prompts, options.rounds),
            "memory": memory(folder / "memory", options.prompts),
            "resent": resent(folder / "resent", options.prompts),
        }
    if options.json:
        print(json.dumps(tables, indent=2))
        return
    for title, rows in tables.items():
        print(title)
        for row in rows:
            print("  " + "  ".join(f"{key}: {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
