"""How fast ranking is, and how much memory it takes.

    python benchmarks/rank.py                    # 1,000,000 prompts × 4 candidates × 5 rewards
    python benchmarks/rank.py --prompts 20000    # a quick look
    python benchmarks/rank.py --json

Each aggregation ranks the same shuffled table in a process of its own. Beside the seconds stand
those of the processor, which a busy machine stretches less; memory is the process's peak, and
beside it what was resident before ranking began (Python, the libraries and the table). The last
line is Algorithm 1 as a Python loop over 2,000 prompts: the rate, per processor second, that the
others are a multiple of.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synpic.rank import AGGREGATIONS, rank

LOOP_PROMPTS = 2_000


def scored_candidates(prompts: int, k: int, rewards: int) -> pl.DataFrame:
    """A table of scored candidates with ids as long as real ones, in no particular order."""
    random = np.random.default_rng(0)
    size = prompts * k
    shared = random.standard_normal(size)
    scores = {
        f"score_r{at}": (shared + random.standard_normal(size)).astype(np.float32)
        for at in range(rewards)
    }
    prompt_ids = pl.Series(hex_ids(random, prompts))
    row = random.permutation(size)
    return pl.DataFrame(
        {
            "prompt_id": prompt_ids.gather(row // k),
            "candidate_id": hex_ids(random, size),
            "model": pl.Series([f"model_{at}" for at in range(k)]).gather(row % k),
            "sample": np.zeros(size, np.int32),
            **scores,
        }
    )


def hex_ids(random: np.random.Generator, count: int) -> list[str]:
    digits = random.bytes(16 * count).hex()
    return [digits[at : at + 32] for at in range(0, 32 * count, 32)]


def loop(table: pl.DataFrame, rewards: list[str]) -> dict[str, float]:
    """φ by Algorithm 1, as one would write it down."""
    prompts: dict[str, list[dict[str, Any]]] = {}
    for row in table.iter_rows(named=True):
        prompts.setdefault(row["prompt_id"], []).append(row)
    preference = {}
    for images in prompts.values():
        for one in images:
            wins = sum(
                one[f"score_{reward}"] > other[f"score_{reward}"]
                for reward in rewards
                for other in images
            )
            preference[one["candidate_id"]] = wins / (len(rewards) * (len(images) - 1))
    return preference


def measure(name: str, file: Path) -> dict[str, Any]:
    """Rank, or loop, in this process; the table is read before the clock starts."""
    table = pl.read_parquet(file)
    if name == "loop":
        some = table.select("prompt_id").unique().head(LOOP_PROMPTS)
        table = table.join(some, on="prompt_id", how="semi")
    names = [column.removeprefix("score_") for column in table.columns if column[:6] == "score_"]
    count = table["prompt_id"].n_unique()
    before = peak_mib()
    start, cpu_start = time.perf_counter(), time.process_time()
    if name == "loop":
        loop(table, names)
    else:
        rank(table, dict.fromkeys(names, 1.0), aggregation=name)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return {
        "name": name,
        "prompts": count,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "prompts_per_cpu_second": count / cpu_seconds,
        "table_mib": table.estimated_size("mb"),
        "before_mib": before,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """The most memory this process has held; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def measure_apart(name: str, file: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", name, str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--candidates", type=int, default=4, help="of each prompt")
    parser.add_argument("--rewards", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sizes = (asked.prompts, asked.candidates, asked.rewards)
    if asked.only:
        name, file = asked.only
        print(json.dumps(measure(name, Path(file))))
        return

    with tempfile.TemporaryDirectory() as folder:
        scored = Path(folder) / "scored.parquet"
        scored_candidates(*sizes).write_parquet(scored)
        results = [measure_apart(name, scored) for name in [*AGGREGATIONS, "loop"]]
    slowest = results[-1]["prompts_per_cpu_second"]
    for result in results:
        result["times_the_loop"] = result["prompts_per_cpu_second"] / slowest
    if asked.json:
        print(json.dumps({"candidates": sizes[1], "rewards": sizes[2], "results": results}))
        return
    print(f"{sizes[0]:,} prompts × {sizes[1]} candidates × {sizes[2]} rewards")
    head = ("", "prompts", "seconds", "cpu", "prompts/cpu s", "× loop", "before MiB", "peak MiB")
    print("{:14}{:>11}{:>9}{:>9}{:>15}{:>8}{:>12}{:>10}".format(*head))
    for result in results:
        print(
            f"{result['name']:14}{result['prompts']:>11,}{result['seconds']:>9.2f}"
            f"{result['cpu_seconds']:>9.2f}{result['prompts_per_cpu_second']:>15,.0f}"
            f"{result['times_the_loop']:>8.0f}"
            f"{result['before_mib']:>12,.0f}{result['peak_mib']:>10,.0f}"
        )


if __name__ == "__main__":
    main()
