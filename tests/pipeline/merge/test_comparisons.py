"""What comparers said in workspaces that are merged."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from synpic import Workspace, merge_workspaces, score_candidates, status
from synpic.engine.shard import Shard
from synpic.workspace import tables
from tests.cli.conftest import in_process
from tests.conftest import edit
from tests.pipeline.merge.using import merge, refused

COMPARER = '\n[rewards.vs]\ncomparer = "tests.fakes:redder"\n'


@pytest.fixture
def two(whole: Workspace, here: Path) -> list[Workspace]:
    """A and B, with the same images, of which each compared one half of the prompts."""
    found = []
    for number, name in enumerate("AB", 1):
        shutil.copytree(whole.folder, here / name)
        workspace = Workspace.open(here / name)
        text = workspace.store.read("recipe.toml").decode()
        edit(workspace, text + COMPARER)
        score_candidates(workspace, only=["vs"], shard=Shard(number, 2))
        found.append(workspace)
    return found


def rows(workspace: Workspace) -> pl.DataFrame:
    (folder,) = workspace.folders("comparisons")
    return workspace.comparisons(folder)


def test_halves_make_a_whole(two: list[Workspace]) -> None:
    a, b = map(rows, two)
    assert a.height
    assert b.height
    merged = merge("A", "B")
    assert rows(merged).equals(pl.concat([a, b]).sort("left", "right"))
    count = next(one for one in status(merged).counts if one.stage == "compare")
    assert count.missing == 0
    said = in_process("merge", "A", "B", "--to", "D", "--dry-run").output
    assert f"comparisons: vs-{count.fingerprint}: {a.height + b.height} pairs" in said


def test_other_probabilities_of_one_pair_clash(two: list[Workspace]) -> None:
    a, b = two
    (folder,) = a.folders("comparisons")
    other = rows(a).head(1).with_columns(probability=pl.lit(0.125, pl.Float32))
    b.write_part(folder, other.to_arrow().cast(tables.COMPARISONS), {})
    message = refused("A", "B")
    assert f"{folder}: 1 comparison differs: {other['left'][0]}+{other['right'][0]}" in message
    assert "0.125 in B" in message
    (clash,) = merge_workspaces(["A", "B"], "C", dry_run=True).clashes
    assert clash.kind == "comparisons"
