"""Labels and studies of workspaces that are merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synpic import Workspace, merge_workspaces
from synpic.workspace.labels import read_labels, remove_labels, write_labels
from tests.cli.conftest import in_process
from tests.pipeline.merge.splitting import begin
from tests.pipeline.merge.using import merge, refused
from tests.workspace.test_labels import labels

SHARES: list[float | None] = [1.0, 0.5]


@pytest.fixture
def two(here: Path) -> tuple[Workspace, Workspace]:
    """A and B, with the same recipe and nothing made."""
    return begin(here / "A"), begin(here / "B")


def test_other_labels_of_one_source_clash(two: tuple[Workspace, Workspace]) -> None:
    a, b = two
    write_labels(a, "study", {"by": "a"}, labels([1.0]))
    write_labels(b, "study", {"by": "b"}, labels(SHARES))
    write_labels(b, "other", {"by": "b"}, labels(SHARES))
    message = refused("A", "B")
    assert "labels of 'study': 1 label in A, and other ones, 2 labels, in B" in message
    assert "(1 clash)" in message
    (clash,) = merge_workspaces(["A", "B"], "C", dry_run=True).clashes
    assert clash.kind == "labels"
    remove_labels(b, "study")
    merged = merge("A", "B")
    assert read_labels(merged, "study").equals(labels([1.0]))
    assert read_labels(merged, "other").equals(labels(SHARES))


def test_equal_labels_that_were_written_apart_are_there_once(
    two: tuple[Workspace, Workspace],
) -> None:
    for workspace, times in zip(two, (1, 3), strict=True):
        for _ in range(times):
            write_labels(workspace, "study", {"of": str(times)}, labels(SHARES))
    merged = merge("A", "B")
    assert read_labels(merged, "study").equals(labels(SHARES))
    assert merged.folders("labels") == two[0].folders("labels")


def test_what_a_killed_command_left_is_not_merged(
    two: tuple[Workspace, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = two
    write_labels(a, "study", {"of": "old"}, labels([0.0]))
    with monkeypatch.context() as patched:
        patched.setattr(type(a.store), "remove", lambda *_: None)
        write_labels(a, "study", {"of": "new"}, labels([1.0]))
    merged = merge("A", "B")
    assert read_labels(merged, "study").equals(labels([1.0]))
    assert len(merged.folders("labels")) == 1


def test_studies_that_stay_are_named(two: tuple[Workspace, Workspace], here: Path) -> None:
    assert merge_workspaces(["A", "B"], "C", dry_run=True).remarks == []
    for name, file in (("first", "study.json"), ("second", "votes.db"), ("none", "notes.txt")):
        (here / "A" / "study" / name).mkdir(parents=True)
        (here / "A" / "study" / name / file).write_text("")
    line = "study/first, study/second of A are not merged: votes stay in A"
    for command in (["--dry-run"], []):
        ended = in_process("merge", "A", "B", "--to", "C", *command, "--json")
        (remark,) = json.loads(ended.stdout)["remarks"]
        assert remark.startswith(line)
    assert f"warning: {line}" in in_process("merge", "A", "B", "--to", "D", "--dry-run").stdout
    assert not (here / "C" / "study").exists()
