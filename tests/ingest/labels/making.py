"""Small datasets in the layouts of labels, made here; and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import synpic
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Workspace
from synpic.workspace.labels import INGESTED, read_labels
from tests.ingest.conftest import picture

__all__ = ["PICTURES", "cell", "ingest", "labels", "named", "seed_of", "write"]

PICTURES = {picture(seed): seed for seed in range(20)}


def seed_of(data: bytes) -> int:
    """Which of the pictures it is."""
    return PICTURES[data]


def cell(seed: int) -> dict[str, Any]:
    """A picture as the ``Image`` feature has it."""
    return {"bytes": picture(seed), "path": f"{seed}.png"}


def write(folder: Path, *tables: dict[str, Any], group: int = 2) -> Path:
    """A dataset with a file for each of ``tables``, and small row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, columns in enumerate(tables):
        path = folder / f"train-{number:05d}-of-{len(tables):05d}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=group)
    return folder


def ingest(root: Path, dataset: str, lines: str = "", more: str = "") -> Workspace:
    """A workspace at ``root`` with all images of a dataset beside it."""
    root.mkdir(exist_ok=True)
    text = f"[ingest]\n{dataset if '=' in dataset else f'dataset = {dataset!r}'}\n{lines}\n{more}"
    (root / "recipe.toml").write_text(text)
    workspace = Workspace.open(root)
    synpic.ingest_candidates(workspace)
    return workspace


def labels(workspace: Workspace) -> pl.DataFrame:
    """The labels that came, of all columns."""
    return read_labels(workspace, INGESTED)


def named(workspace: Workspace, *columns: str) -> list[tuple[Any, ...]]:
    """``left`` and ``right`` as seeds of their pictures, then ``columns``, in the labels' order."""
    inventory = take_inventory(workspace)
    rows = inventory.candidates()
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    data = workspace.images(inventory.image_folders()).read(keys)
    seeds = {key[0]: seed_of(one) for key, one in zip(keys, data, strict=True)}
    found = labels(workspace).select("left", "right", *columns).rows()
    return [(seeds[left], seeds[right], *rest) for left, right, *rest in found]
