"""What judges said in workspaces that are merged, and the suite that they judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from synpic import (
    Workspace,
    generate_candidates,
    merge_workspaces,
    score_candidates,
    status,
)
from synpic.engine.shard import Shard
from synpic.errors import WorkspaceError
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import tables
from synpic.workspace.suite import read_suite, write_suite
from tests.cli.conftest import in_process
from tests.conftest import edit
from tests.pipeline.merge.using import merge, refused

JUDGE = '\n[judges.right]\njudge = "tests.fake_judges:Batched"\n'


def suite_of(workspace: Workspace, version: str = "1") -> None:
    row = {"suite": "mine", "version": version, "item": "", "tag": "", "spec": "{}"}
    prompts = take_inventory(workspace).prompts["prompt_id"]
    rows = [{**row, "prompt_id": one, "item": str(at)} for at, one in enumerate(prompts)]
    write_suite(workspace, pa.Table.from_pylist(rows, tables.SUITE))


@pytest.fixture
def two(whole: Workspace, here: Path) -> list[Workspace]:
    """A and B, with the same images and one suite, of which each judged a part."""
    found = []
    for number, name in enumerate("AB", 1):
        shutil.copytree(whole.folder, here / name)
        workspace = Workspace.open(here / name)
        text = workspace.store.read("recipe.toml").decode()
        suite_of(edit(workspace, text + JUDGE))
        score_candidates(workspace, only=["right"], shard=Shard(number, 2))
        found.append(workspace)
    return found


def rows(workspace: Workspace) -> pl.DataFrame:
    (folder,) = workspace.folders("verdicts")
    return workspace.verdicts(folder)


def test_halves_make_a_whole(two: list[Workspace]) -> None:
    a, b = map(rows, two)
    assert min(a.height, b.height) > 0
    merged = merge("A", "B")
    assert rows(merged).equals(pl.concat([a, b]).sort("candidate_id", "sha256"))
    assert read_suite(merged) == read_suite(two[0])
    (count,) = (one for one in status(merged).counts if one.stage == "judge")
    assert count.missing == 0
    said = in_process("merge", "A", "B", "--to", "D", "--dry-run").output
    assert f"verdicts: right-{count.fingerprint}: {a.height + b.height} images" in said


def test_a_judge_of_one_comes_along(two: list[Workspace]) -> None:
    a, _ = two
    edit(a, a.store.read("recipe.toml").decode().replace(JUDGE, ""))
    merged = merge("A", "B")
    assert merged.snapshot().recipe.judges.keys() == {"right"}
    assert rows(merged).height == rows(two[0]).height + rows(two[1]).height


def test_other_verdicts_of_one_image_clash(two: list[Workspace]) -> None:
    a, b = two
    (folder,) = a.folders("verdicts")
    first = rows(a).filter(pl.col("correct")).head(1)
    other = first.with_columns(correct=pl.lit(False), score=pl.lit(0.125, pl.Float32))
    b.write_part(folder, other.to_arrow().cast(tables.VERDICTS), {})
    message = refused("A", "B")
    assert f"{folder}: 1 verdict differs: {first['candidate_id'][0]}" in message
    assert "wrong, score 0.125 in B" in message
    (clash,) = merge_workspaces(["A", "B"], "C", dry_run=True).clashes
    assert clash.kind == "verdicts"


def test_two_suites_clash(two: list[Workspace]) -> None:
    suite_of(two[1], version="2")
    message = refused("A", "B")
    assert "suite mine 1 in A, mine 2 in B" in message


SUITE = """
[suite]
{}

[models.{}]
family = "tests.fakes:Painter"
checkpoint = "../weights"
steps = {}

[judges.right]
judge = "tests.fake_judges:Batched"
"""


@pytest.mark.parametrize("source", ['file = "items.jsonl"', 'name = "their:SUITE"'])
def test_models_that_were_judged_by_one_suite(here: Path, source: str) -> None:
    (here / "weights").mkdir()
    (here / "weights" / "model.bin").write_bytes(b"weights")
    for number, name in enumerate("AB"):
        workspace = Workspace.create(here / name, SUITE.format(source, f"m{number}", number + 1))
        items = [f'{{"prompt": "thing {one}", "tag": "t{one % 2}"}}\n' for one in range(6)]
        (here / name / "items.jsonl").write_text("".join(items))
        (here / name / "their.py").write_text(THEIRS)
        generate_candidates(workspace)
        score_candidates(workspace).raise_if_unfinished()
    merged = merge("A", "B")
    assert status(merged).complete
    assert take_inventory(merged).verdicts("right").height == 12
    assert merged.snapshot().recipe.suite == Workspace.open("A").snapshot().recipe.suite


THEIRS = """
from synpic.prompts.suites import Suite, SuiteContent, SuiteItem

def items(data):
    return SuiteContent([SuiteItem(str(n), f"thing {n}", f"t{n % 2}", {}) for n in range(6)])

SUITE = Suite("theirs", "of their own", items)
"""


def test_verdicts_of_another_suite_are_not_left_out_in_silence(two: list[Workspace]) -> None:
    """Where one has judged prompts alone, and the new workspace has a suite."""
    two[0].store.remove("suite.parquet")
    score_candidates(Workspace.open(two[0].store.root), only=["right"])
    with pytest.raises(WorkspaceError, match="does not use verdicts/right-") as caught:
        merge_workspaces(["A", "B"], "C")
    assert caught.value.hint
    assert "[judges.right] has to be the one that judged" in caught.value.hint
