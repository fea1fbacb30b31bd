"""What it costs to verify scores while they are read.

    python benchmarks/read_scores.py                     # 1,000,000 scores in parts of 4,096
    python benchmarks/read_scores.py --images 100000     # a quick look
    python benchmarks/read_scores.py --json

The same parts are read three ways, in turns: without verification (the file opened, its metadata
decoded, its columns read), with page checksums and the footer's hash, and as a workspace reads
them, with every byte hashed. The median of each is compared with the first. Beside the seconds
stand those of the processor, which a busy machine stretches less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synpic.recipe.presets import preset
from synpic.workspace import Workspace, tables
from synpic.workspace.parts import frame, read_part_columns

FINGERPRINT = "0123abcd" * 8
FOLDER = f"scores/reward-{FINGERPRINT[:8]}"


def fill(workspace: Workspace, images: int, rows: int) -> None:
    """Write scores of ``images`` images in parts of ``rows``."""
    random = np.random.default_rng(0)
    for start in range(0, images, rows):
        count = min(rows, images - start)
        columns = [
            pa.array(_hex(random, 16, count)),
            pa.array(_hex(random, 32, count)),
            pa.array(["reward"] * count),
            pa.array([FINGERPRINT] * count),
            pa.array(random.standard_normal(count).astype(np.float32)),
            pa.array(np.full(count, 32, np.int32)),
        ]
        part = pa.Table.from_arrays(columns, schema=tables.SCORES)
        workspace.write_part(FOLDER, part, {"reward": "reward"})


def _hex(random: np.random.Generator, size: int, count: int) -> list[str]:
    digits = random.bytes(size * count).hex()
    return [digits[at : at + 2 * size] for at in range(0, 2 * size * count, 2 * size)]


def in_threads(read: Callable[[str], pa.Table], parts: list[str]) -> int:
    """Rows of ``parts``, read and joined as :meth:`Workspace.read` does it."""
    with ThreadPoolExecutor(8) as pool:
        return frame(pa.concat_tables(list(pool.map(read, parts)))).height


def ways(workspace: Workspace) -> dict[str, Callable[[], int]]:
    store, parts, schema = workspace.store, workspace.parts(FOLDER), tables.SCORES

    def plain(name: str) -> pa.Table:
        with store.open(name) as stream:
            file = pq.ParquetFile(stream)
            json.loads(file.schema_arrow.metadata[b"synpic"])
            return file.read(columns=schema.names).replace_schema_metadata().cast(schema)

    return {
        "not verified": lambda: in_threads(plain, parts),
        "pages and footer": lambda: in_threads(
            lambda n: read_part_columns(store, n, schema), parts
        ),
        "every byte": lambda: workspace.read(parts, schema).height,
    }


def measure(workspace: Workspace, rounds: int) -> list[dict[str, Any]]:
    readers = ways(workspace)
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    cpu: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(rounds + 1):
        for name, read in readers.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            read()
            if turn:  # the first warms the cache of the disk
                seconds[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - cpu_start)
    base = statistics.median(seconds["not verified"])
    base_cpu = statistics.median(cpu["not verified"])
    return [
        {
            "name": name,
            "seconds": statistics.median(seconds[name]),
            "cpu_seconds": statistics.median(cpu[name]),
            "times": statistics.median(seconds[name]) / base,
            "times_cpu": statistics.median(cpu[name]) / base_cpu,
        }
        for name in readers
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=4096, help="of a part")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="for machines")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(f"{folder}/set", preset("shapes"))
        fill(workspace, asked.images, asked.rows)
        size = sum(workspace.store.size(part) for part in workspace.parts(FOLDER))
        results = measure(workspace, asked.rounds)
    if asked.json:
        print(json.dumps({**vars(asked), "bytes": size, "results": results}))
        return
    print(f"{asked.images:,} scores in parts of {asked.rows:,}, {size / 1e6:.1f} MB")
    print("{:18}{:>9}{:>9}{:>8}{:>8}".format("", "seconds", "cpu", "×", "× cpu"))
    for one in results:
        print(
            f"{one['name']:18}{one['seconds']:>9.3f}{one['cpu_seconds']:>9.3f}"
            f"{one['times']:>8.2f}{one['times_cpu']:>8.2f}"
        )


if __name__ == "__main__":
    main()
