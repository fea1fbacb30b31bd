"""What a publisher asks about a repository, of a server that answers with what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import HubUnreachable, PublishError
from synpic.hub.commits.repository import Remote
from synpic.hub.commits.uploads import Content, new_bytes
from synpic.hub.retry import Patience
from tests.hub.test_client import Says
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits

__all__ = ["hub", "online", "waits"]

BAD = ("../../escaped", "main", "A" * 40, "0" * 39)
NOT_THE_HUB = "the answer is not the Hub's: it names a "


@pytest.fixture
def remote(hub: HubServer, online: GoOnline, tmp_path: Path, waits: list[float]) -> Remote:
    hub.create("user/set")
    hub.commit("user/set", {"config.json": b"{}"})
    online(hub, "hf_write", tmp_path / "home")
    return Remote("user/set", patience=Patience(0))


def answer(server: HubServer, path: str, body: Any) -> None:
    server.faults.clear()
    server.faults.plan(Says(json.dumps(body).encode()), times=99, path=path)


def test_it_says_what_is_there(remote: Remote) -> None:
    head = remote.head()
    assert head.files["config.json"].bytes == 2
    assert remote.refs().branches == {"main": head.commit}
    parent = remote.parent(head.commit)
    assert parent is not None
    assert remote.parent(parent) is None
    assert set(remote.at_commit(parent).files) == {".gitattributes"}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", ["branches", "tags"])
def test_a_ref_is_at_a_commit(remote: Remote, hub: HubServer, kind: str, bad: str) -> None:
    refs = {"branches": [], "tags": [], "converts": []}
    ref = {"name": "x", "ref": "refs/heads/x", "targetCommit": bad}
    answer(hub, "/refs", {**refs, kind: [ref]})
    with pytest.raises(HubUnreachable, match=f"{NOT_THE_HUB}commit"):
        remote.refs()


@pytest.mark.parametrize("bad", BAD)
def test_a_history_is_of_commits(remote: Remote, hub: HubServer, bad: str) -> None:
    head = remote.head().commit
    one = {"id": bad, "title": "", "message": "", "date": "2026-01-01T00:00:00.000Z", "authors": []}
    answer(hub, "/commits/", [{**one, "id": head}, one])
    with pytest.raises(HubUnreachable, match=f"{NOT_THE_HUB}commit"):
        remote.parent(head)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [({"path": "../../escaped"}, "file"), ({"path": "/x"}, "file"), ({"oid": "../x"}, "file's")],
)
def test_a_tree_is_of_files_inside(
    remote: Remote, hub: HubServer, wrong: dict[str, str], what: str
) -> None:
    head = remote.head().commit
    row = {"type": "file", "oid": "0" * 40, "size": 1, "path": "x", **wrong}
    answer(hub, "/tree/", [row])
    with pytest.raises(HubUnreachable, match=NOT_THE_HUB + what):
        remote.at_commit(head)


@pytest.mark.parametrize("question", ["/preupload/", "/objects/batch"])
@pytest.mark.parametrize("body", [{}, [], {"files": 3}, {"files": [{}]}, {"objects": [{}]}])
def test_how_files_are_stored_is_read_or_is_no_answer(
    remote: Remote, hub: HubServer, question: str, body: Any
) -> None:
    large = {"a.bin": Content("0" * 64, 3, b"\0bc")}
    assert new_bytes(remote, large) == 3
    answer(hub, question, body)
    with pytest.raises(HubUnreachable, match="the answer is not the Hub's"):
        new_bytes(remote, large)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("commitOid"), "KeyError: 'commitOid'"),
        (ValueError("no such mode"), "no such mode"),
        (FileNotFoundError(2, "No such file", "x.png"), "No such file"),
    ],
)
def test_what_a_commit_ends_in_is_one_error(remote: Remote, error: Exception, words: str) -> None:
    explained = remote.explain("committing", error)
    assert isinstance(explained, PublishError)
    assert explained.message.startswith("user/set: committing: ")
    assert words in explained.message
