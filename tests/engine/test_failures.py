"""Failures, read while others write them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from synpic import Workspace
from synpic.engine.failures import FailureLog
from synpic.engine.writing import PartWatcher
from synpic.errors import CorruptPart
from synpic.workspace import tables


def log(workspace: Workspace, name: str = "a") -> FailureLog:
    return FailureLog(workspace, "generate", name, "f" * 16)


def test_a_part_is_read_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    log(workspace).write_now({"old": "no"})
    mine = log(workspace)
    assert mine.known == {"old": 1}
    read: list[str] = []
    reading = Workspace.read

    def counted(self: Workspace, parts: list[str], *rest: object) -> object:
        read.extend(parts)
        return reading(self, parts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Workspace, "read", counted)
    assert mine.since() == set()
    assert read == []
    log(workspace, "b").write_now({"other": "no"})
    other = log(workspace)
    other.write_now({"new": "no"})
    again = log(workspace)
    again.write_now({"old": "no"})
    read.clear()
    assert mine.since() == {"new", "old"}
    assert len(read) == 3
    assert mine.since() == {"new", "old"}, "what was seen before is not forgotten"
    assert len(read) == 3


def test_a_part_is_read_by_its_name_when_no_listing_shows_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = log(workspace), log(workspace)
    other.write_now({"new": "no"})
    assert len(other.written) == 1
    monkeypatch.setattr(Workspace, "parts", lambda self, folder: [])
    assert mine.since() == set()
    assert mine.since(other.written) == {"new"}


def test_a_part_that_could_not_be_read_is_tried_again(workspace: Workspace) -> None:
    watcher = PartWatcher(workspace, "failures", tables.FAILURES)
    log(workspace).write_now({"new": "no"})
    (part,) = workspace.parts("failures")
    whole = workspace.store.read(part)
    workspace.store.write(part, whole[:100])
    with pytest.raises(CorruptPart):
        watcher.new_rows(["candidate_id"])
    workspace.store.write(part, whole)
    assert watcher.new_rows(["candidate_id"]) == [("new",)]
    assert watcher.new_rows(["candidate_id"]) == []


def test_parts_left_out_are_not_read_later_either(workspace: Workspace) -> None:
    watcher = PartWatcher(workspace, "failures", tables.FAILURES)
    name = workspace.write_part("failures", pa.Table.from_pylist([], tables.FAILURES), {})
    assert watcher.new_rows(["candidate_id"], but={name}) == []
    assert watcher.new_rows(["candidate_id"]) == []
