from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import NewerSchema, WorkspaceError
from synpic.hub.lock import LockEntry
from synpic.workspace import LOCK, RecipeLock, tables
from synpic.workspace import alone as alone_file
from synpic.workspace.storage import Store

COMMIT, OTHER, SHA256 = "a" * 40, "b" * 40, "c" * 64
ENTRY: dict[str, Any] = {
    "kind": "model",
    "source": "owner/name",
    "revision": "main",
    "identity": COMMIT,
    "stamp": None,
}


def entry(**changes: Any) -> LockEntry:
    return LockEntry(**{**ENTRY, **changes})


def write(folder: Path, *entries: dict[str, Any], **top: Any) -> Store:
    found = {"schema_version": tables.SCHEMA_VERSION, "resolved": entries, **top}
    (folder / "recipe.lock").write_text(json.dumps(found))
    return Store(folder)


@pytest.mark.parametrize("root", ["disk", "memory://lock-test"])
def test_what_was_resolved_first_stands(root: str, tmp_path: Path) -> None:
    store = Store(tmp_path / root if root == "disk" else root)
    first, second = RecipeLock.read(store), RecipeLock.read(store)
    assert first.remember(entry()) == entry()
    assert second.get("model", "owner/name", "main") is None  # it was read before
    assert second.remember(entry(identity=OTHER)) == entry()
    assert second.get("model", "owner/name", "main") == entry()
    second.remember(entry(revision=None))
    assert RecipeLock.read(store).entries == [entry(), entry(revision=None)]


def test_a_command_keeps_what_it_read_whatever_the_file_becomes(tmp_path: Path) -> None:
    store = write(tmp_path, ENTRY)
    lock = RecipeLock.read(store)
    write(tmp_path, {**ENTRY, "identity": OTHER})
    assert lock.get("model", "owner/name", "main") == entry()
    lock.remember(entry(source="owner/new"))
    assert lock.get("model", "owner/name", "main") == entry()
    # The file is another's too: its entry stays as it is there.
    there = RecipeLock.read(store).entries
    assert [(one.source, one.identity) for one in there] == [
        ("owner/name", OTHER),
        ("owner/new", COMMIT),
    ]


def test_a_new_stamp_of_the_same_content_is_taken_over(tmp_path: Path) -> None:
    folder = entry(kind="folder", source="./m", revision=None, identity=SHA256, stamp="1")
    lock = RecipeLock.read(Store(tmp_path))
    lock.remember(folder)
    lock.remember(folder.model_copy(update={"stamp": "2"}))
    (kept,) = RecipeLock.read(Store(tmp_path)).entries
    assert kept.stamp == "2"


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    store = Store(tmp_path)
    RecipeLock.read(store).remember(entry())
    before = (tmp_path / "recipe.lock").stat().st_ino
    RecipeLock.read(store).remember(entry())
    assert (tmp_path / "recipe.lock").stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.lock"]


def test_entries_of_many_at_once_are_all_kept(tmp_path: Path) -> None:
    def add(number: int) -> None:
        lock = RecipeLock.read(Store(tmp_path))
        for place in range(5):
            lock.remember(entry(source=f"owner/{number}-{place}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert len(RecipeLock.read(Store(tmp_path)).entries) == 20


def test_a_lock_of_a_newer_synpic_is_refused(tmp_path: Path) -> None:
    newer = tables.SCHEMA_VERSION + 1
    with pytest.raises(NewerSchema, match=rf"recipe\.lock: schema_version is {newer}"):
        RecipeLock.read(write(tmp_path, {"anything": 1}, schema_version=newer, unknown=1))


@pytest.mark.parametrize("version", [0, -1, True, "2", None])
def test_what_is_no_schema_version_is_damage(tmp_path: Path, version: object) -> None:
    with pytest.raises(WorkspaceError, match=r"recipe\.lock: schema_version: ") as caught:
        RecipeLock.read(write(tmp_path, schema_version=version))
    assert type(caught.value) is WorkspaceError


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "space"}, r"resolved\.0\.kind: .*'space'"),
        ({"kind": 1}, r"resolved\.0\.kind: "),
        ({"source": None}, r"resolved\.0\.source: "),
        ({"revision": 1.5}, r"resolved\.0\.revision: "),
        ({"stamp": []}, r"resolved\.0\.stamp: "),
        ({"identity": "main"}, r"resolved\.0: identity: expected a commit \(40 hex digits\)"),
        ({"identity": "A" * 40}, r"resolved\.0: identity: expected a commit"),
        ({"identity": SHA256}, r"resolved\.0: identity: expected a commit"),
        ({"kind": "folder"}, r"resolved\.0: identity: expected a SHA-256 \(64 hex digits\)"),
        ({"kind": "file", "identity": ""}, r"resolved\.0: identity: expected a SHA-256"),
        ({"comit": "x"}, r"resolved\.0\.comit: "),
    ],
)
def test_a_wrong_value_is_named_by_file_and_key(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    store = write(tmp_path, {**ENTRY, **changes})
    with pytest.raises(WorkspaceError, match=rf"recipe\.lock: {says}") as caught:
        RecipeLock.read(store)
    assert caught.value.hint is not None
    assert "delete it" in caught.value.hint


@pytest.mark.parametrize("key", ["kind", "source", "identity"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    store = write(tmp_path, {name: value for name, value in ENTRY.items() if name != key})
    with pytest.raises(WorkspaceError, match=rf"recipe\.lock: resolved\.0\.{key}: is missing"):
        RecipeLock.read(store)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ("null", "expected an object"),
        ("{}", "schema_version: is missing"),
        ('{"schema_version": VERSION}', "resolved: is missing"),
        ('{"schema_version": true, "resolved": []}', "schema_version: "),
        ('{"schema_version": VERSION, "resolved": {}}', "resolved: "),
        ('{"schema_version": VERSION, "resolved": [[]]}', r"resolved\.0: expected an object"),
        ('{"schema_version": VERSION, "resolved": [], "more": 1}', "more: "),
        ("[" * 100_000, "nested more than"),
        ('{"schema_version": ' + "9" * 5000 + "}", "not JSON: a number of 5,000 digits"),
        ("\ud800", "not JSON"),
        ('{"schema_version": VERSION, "resolved": [], "resolved": []}', "not JSON: .*twice"),
    ],
)
def test_what_is_no_lock_is_one_error(tmp_path: Path, text: str, says: str) -> None:
    text = text.replace("VERSION", str(tables.SCHEMA_VERSION))
    (tmp_path / "recipe.lock").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(WorkspaceError, match=rf"recipe\.lock: {says}"):
        RecipeLock.read(Store(tmp_path))


def test_entries_that_are_not_those_that_were_written_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    RecipeLock.read(store).remember(entry())
    file = tmp_path / "recipe.lock"
    written = file.read_text()
    file.write_text(written.replace(COMMIT, OTHER))
    with pytest.raises(
        WorkspaceError, match=r"recipe\.lock: .* does not match its sha256"
    ) as raised:
        RecipeLock.read(store)
    assert "delete its line of sha256" in str(raised.value.hint)
    lines = [line for line in file.read_text().splitlines() if '"sha256"' not in line]
    file.write_text("\n".join(lines))
    assert RecipeLock.read(store).entries == [entry(identity=OTHER)]
    file.write_text(json.dumps(json.loads(written)))  # another layout of the same
    assert RecipeLock.read(store).entries == [entry()]
    file.write_text(json.dumps({**json.loads(written), "resolved": []}))  # an entry is deleted
    assert RecipeLock.read(store).entries == []


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    store = write(tmp_path, ENTRY, {**ENTRY, "identity": OTHER})
    with pytest.raises(WorkspaceError, match=r"model owner/name at main is there twice"):
        RecipeLock.read(store)


def test_a_process_that_holds_the_lock_for_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone_file, "_PATIENCE", 0.05)
    store = write(tmp_path, ENTRY)
    lock = RecipeLock.read(store)
    with (
        alone_file.alone(store, LOCK),
        pytest.raises(WorkspaceError, match="another process has held"),
    ):
        lock.remember(entry(source="owner/new"))
    assert RecipeLock.read(store).entries == [entry()]
