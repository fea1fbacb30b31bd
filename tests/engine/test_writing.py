from __future__ import annotations

import time

import pyarrow as pa
import pytest

from synpic import Workspace
from synpic.engine import writing
from synpic.engine.writing import PartWatcher, PartWriter, environment_key
from synpic.workspace.storage import Store

SCHEMA = pa.schema([("n", pa.int64())])


def rows(*numbers: int) -> list[dict[str, int]]:
    return [{"n": number} for number in numbers]


def written(workspace: Workspace) -> list[list[int]]:
    found = [
        workspace.read([part], SCHEMA)["n"].to_list() for part in workspace.parts("candidates/m")
    ]
    return sorted(found)


def test_a_part_holds_whole_batches_up_to_the_limit(workspace: Workspace) -> None:
    with PartWriter(workspace, "candidates/m", SCHEMA, {}, rows=5) as writer:
        for batch in ([1, 2], [3, 4], [5, 6], [7, 8, 9], [10, 11, 12, 13, 14, 15, 16], [17]):
            writer.add(rows(*batch))
    assert written(workspace) == [
        [1, 2, 3, 4],
        [5, 6, 7, 8, 9],
        [10, 11, 12, 13, 14, 15, 16],
        [17],
    ]
    assert writer.begun == 4
    assert writer.names == set(workspace.parts("candidates/m"))


def test_a_part_has_its_name_before_others_can_see_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = PartWriter(workspace, "candidates/m", SCHEMA, {}, rows=1)
    known: list[bool] = []
    writing_ = Store.write

    def write(self: Store, name: str, data: bytes) -> None:
        known.append(name in writer.names)
        writing_(self, name, data)

    monkeypatch.setattr(Store, "write", write)
    with writer:
        for number in range(3):
            writer.add(rows(number))
    assert known == [True] * 3


def test_equal_rows_are_one_part(workspace: Workspace) -> None:
    for _ in range(2):  # two workers that raced
        with PartWriter(workspace, "candidates/m", SCHEMA, {}, rows=5) as writer:
            writer.add(rows(1, 2))
        assert writer.names == set(workspace.parts("candidates/m"))
    assert written(workspace) == [[1, 2]]


def test_a_part_waits_no_longer_than_a_minute(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART_SECONDS", 0.05)
    with PartWriter(workspace, "candidates/m", SCHEMA, {}, rows=100) as writer:
        writer.add(rows(1))
        time.sleep(0.06)
        writer.add(rows(2))
        writer.add(rows(3))
    assert written(workspace) == [[1, 2], [3]]


def test_what_was_made_before_an_error_is_kept(workspace: Workspace) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        PartWriter(workspace, "candidates/m", SCHEMA, {}, rows=100) as writer,
    ):
        writer.add(rows(1, 2))
        raise KeyboardInterrupt
    assert written(workspace) == [[1, 2]]


def test_a_watcher_sees_each_part_once(workspace: Workspace) -> None:
    watcher = PartWatcher(workspace, "candidates/m", SCHEMA)
    assert watcher.new_rows(["n"]) == []
    mine = workspace.write_part("candidates/m", pa.Table.from_pylist(rows(1), SCHEMA), {})
    workspace.write_part("candidates/m", pa.Table.from_pylist(rows(2), SCHEMA), {})
    assert watcher.new_rows(["n"], but={mine}) == [(2,)]
    assert watcher.new_rows(["n"]) == []


def test_an_environment_has_one_name(workspace: Workspace) -> None:
    assert environment_key({"a": 1, "b": 2}) == environment_key({"b": 2, "a": 1})
    assert environment_key({"a": 1}) != environment_key({"a": 2})
