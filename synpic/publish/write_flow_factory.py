"""Pairs as Flow-Factory's offline DPO reads them: records of its version 2, and image files.

    train.jsonl      a pair a line
    test.jsonl       prompts that are drawn for evaluation, a line each, where there are some
    images/<candidate_id>.png

Its loader refuses keys that it does not know and blank lines, and takes paths from the folder.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synpic.publish.image_files import SIDES, PairRow, read_pairs, write_image_files
from synpic.publish.manifest import describe_file
from synpic.publish.table.shards import Read
from synpic.release.manifest import File

__all__ = ["write_flow_factory"]

_VERSION = 2


def write_flow_factory(
    rows: pl.DataFrame,
    evaluated: Sequence[str],
    read: Read,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, File]:
    """Write the dataset into ``folder``: path → size and hash.

    Args:
        rows: of ``pairwise``.
        evaluated: prompts of ``test.jsonl``, which is left out if there are none.
        on_progress: called with pairs written and pairs in all.
    """
    files: dict[str, File] = {}
    with (folder / "train.jsonl").open("wb") as stream:
        for row, chosen, rejected in read_pairs(rows, read, on_progress):
            paths = write_image_files(row, (chosen, rejected), folder, files)
            stream.write(_line(_record(row, paths)))
        stream.flush()
        os.fsync(stream.fileno())
    files["train.jsonl"] = describe_file(folder / "train.jsonl")
    if evaluated:
        lines = b"".join(_line({"prompt": prompt}) for prompt in evaluated)
        (folder / "test.jsonl").write_bytes(lines)
        files["test.jsonl"] = describe_file(folder / "test.jsonl")
    return files


def _record(row: PairRow, paths: Sequence[str]) -> dict[str, Any]:
    candidates = {
        side: {"media": [{"type": "image", "path": path}]}
        for side, path in zip(SIDES, paths, strict=True)
    }
    return {
        "schema_version": _VERSION,
        "input": {"prompt": row["prompt"], "media": []},
        "supervision": {"type": "preference", **candidates},
        "metadata": {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
            if name not in (*SIDES, "prompt", "split")
        },
    }


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
