from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from synpic import Workspace
from synpic.errors import CheckpointError, HubUnreachable
from synpic.hub import checkpoints
from synpic.hub.lock import LockEntry
from synpic.ids import folder_hash

COMMIT = "c0ffee" * 6 + "c0ff"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], list[tuple[str, str | None]]]:
    """Let the Hub answer every question with a commit, or an exception."""
    asked: list[tuple[str, str | None]] = []

    def answer_with(answer: object) -> list[tuple[str, str | None]]:
        def repo_info(
            self: HfApi, source: str, *, revision: str | None, repo_type: str
        ) -> SimpleNamespace:
            asked.append((source, revision))
            if isinstance(answer, Exception):
                raise answer
            return SimpleNamespace(sha=answer)

        monkeypatch.setattr(HfApi, "repo_info", repo_info)
        return asked

    return answer_with


def resolve(workspace: Workspace, source: str, revision: str | None) -> LockEntry:
    """What a command that begins now resolves ``source`` to."""
    return checkpoints.resolve(workspace.snapshot().lock, source, revision)


def http(error: type[Exception]) -> Exception:
    request = httpx2.Request("GET", "https://hub.test/x")
    return error("no", response=httpx2.Response(403, request=request))  # type: ignore[call-arg]


def test_a_branch_is_resolved_once_for_all_workers(
    workspace: Workspace, hub: Callable[[object], list[tuple[str, str | None]]]
) -> None:
    asked = hub(COMMIT)
    first = resolve(workspace, "owner/name", "main")
    hub("facade")
    again = checkpoints.resolve(
        Workspace.open(workspace.store.root).snapshot().lock, "owner/name", "main"
    )
    assert again == first
    assert asked == [("owner/name", "main")]
    assert checkpoints.load_from(workspace.folder, first) == ("owner/name", COMMIT)
    assert checkpoints.identity(first) == {"repository": "owner/name", "commit": COMMIT}
    assert checkpoints.describe(first) == "owner/name@c0ffeec0"


def test_a_folder_is_known_by_its_content_wherever_it_lies(
    workspace: Workspace, tmp_path: Path
) -> None:
    root = Path(workspace.store.root)
    for folder in (root / "mine", tmp_path / "elsewhere"):
        folder.mkdir()
        (folder / "model.bin").write_bytes(b"1")
    entries = [
        resolve(workspace, source, None)
        for source in ("mine", "./mine", str(tmp_path / "elsewhere"))
    ]
    assert {entry.identity for entry in entries} == {folder_hash(root / "mine")}
    assert checkpoints.load_from(workspace.folder, entries[0]) == (str(root / "mine"), None)


def test_a_folder_that_changed_after_it_was_locked_is_refused(
    workspace: Workspace, weights: Path
) -> None:
    resolve(workspace, str(weights), None)
    (weights / ".cache").mkdir()
    (weights / ".cache" / "note").write_bytes(b"hidden files do not count")
    os.utime(weights / "model.bin")
    checkpoints.resolve(
        workspace.snapshot().lock, str(weights), None
    )  # the same content is the same weights
    (weights / "model.bin").write_bytes(b"WEIGHTS")  # as many bytes as before
    with pytest.raises(CheckpointError, match=r"has changed since recipe\.lock recorded it"):
        resolve(workspace, str(weights), None)


def test_weights_that_are_gone_are_missed_when_they_are_to_be_loaded(
    workspace: Workspace, hub: Callable[[object], list[tuple[str, str | None]]]
) -> None:
    folder = Path(workspace.store.root) / "w" / "m"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"1")
    entry = resolve(workspace, "w/m", None)
    shutil.rmtree(folder)
    asked = hub(COMMIT)
    assert resolve(workspace, "w/m", None) == entry
    assert asked == []  # no stranger's repository of that name takes their place
    with pytest.raises(CheckpointError, match="the folder is gone"):
        checkpoints.load_from(workspace.folder, entry)


def test_weights_of_an_installed_package(workspace: Workspace) -> None:
    entry = resolve(workspace, "package:synpic/recipe/presets", None)
    location, commit = checkpoints.load_from(workspace.folder, entry)
    assert (Path(location) / "shapes.toml").exists()
    assert commit is None
    for missing in (
        "package:synpic/nothing",
        "package:no_such_package/x",
        "./nothing",
        "/nothing",
        "~nobody/x",
    ):
        with pytest.raises(CheckpointError):
            resolve(workspace, missing, None)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (http(GatedRepoError), CheckpointError, "is gated"),
        (http(RepositoryNotFoundError), CheckpointError, "there is no model 'owner/name'"),
        (http(RevisionNotFoundError), CheckpointError, "has no revision 'main'"),
        (OfflineModeIsEnabled("off"), HubUnreachable, "the Hub cannot be reached"),
        (httpx2.ConnectError("no route"), HubUnreachable, "the Hub cannot be reached"),
        (TimeoutError(), HubUnreachable, "the Hub cannot be reached"),
        (None, HubUnreachable, "the answer is not the Hub's: it names a commit None"),
    ],
)
def test_what_the_hub_refuses_is_one_error_with_the_page_to_visit(
    workspace: Workspace,
    hub: Callable[[object], list[tuple[str, str | None]]],
    monkeypatch: pytest.MonkeyPatch,
    answer: object,
    kind: type[CheckpointError],
    says: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub(answer)
    with pytest.raises(kind) as caught:
        resolve(workspace, "owner/name", "main")
    assert says in caught.value.message
    assert "owner/name" in str(caught.value.hint)
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"
    assert not workspace.store.exists("recipe.lock")
