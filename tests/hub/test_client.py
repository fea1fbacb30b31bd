"""Questions about a repository and its files, asked of a Hub of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from synpic.errors import CheckpointError, HubUnreachable, ReleaseError, SynpicError
from synpic.hub import client, session
from synpic.hub.client import commit_of, dataset, files_of, names_of, tags_of
from synpic.hub.errors import Subject
from synpic.hub.files import RepositoryFiles, download
from tests.hub_server import Drop, Fault, HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.hub_server.messages import Answer, Exchange

__all__ = ["hub", "online", "waits"]

MODEL = Subject("user/model")


@dataclass(frozen=True)
class Says(Fault):
    """An answer of another server's, or of a Hub with reasons of its own."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def before(self, exchange: Exchange) -> Answer:
        return Answer(self.status, self.body, {"Content-Type": "application/json", **self.headers})


@pytest.fixture
def here(hub: HubServer, online: GoOnline, tmp_path: Path, waits: list[float]) -> HubServer:
    """A Hub with a model and a dataset of one file each."""
    for kind in ("model", "dataset"):
        hub.create(f"user/{kind}", kind=kind)
        hub.commit(f"user/{kind}", {"config.json": b"{}"})
    online(hub, None, tmp_path / "home")
    return hub


def ask_everything(name: str = "user/model") -> list[Callable[[], object]]:
    subject = Subject(name)
    return [
        lambda: commit_of(subject),
        lambda: names_of(subject),
        lambda: files_of(subject),
        lambda: tags_of(subject),
        lambda: client.commits_of(subject),
        lambda: download(subject, "config.json"),
    ]


def test_what_is_asked_is_answered(here: HubServer) -> None:
    commit = here.repositories["user/model"].find().oid
    here.repositories["user/model"].tags["v1"] = commit
    assert commit_of(MODEL) == commit
    assert names_of(MODEL) >= {"config.json"}
    assert files_of(MODEL)["config.json"].size == 2
    assert tags_of(MODEL) == {"v1"}
    assert commit in client.commits_of(MODEL)
    found = download(Subject("user/model", commit), "config.json")
    assert found is not None
    assert found.read_bytes() == b"{}"
    assert download(MODEL, "none.json") is None


def test_every_question_is_asked_again(here: HubServer) -> None:
    """Resolving a checkpoint too."""
    for ask in ask_everything():
        for fault in (Drop(), Says(b"{}", 503), Says(b"{}", 429, {"Retry-After": "1"})):
            here.faults.clear()
            planned = here.faults.plan(fault)
            ask()
            assert planned.struck


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422, 429, 500, 503])
def test_the_servers_own_words_are_shown(here: HubServer, status: int) -> None:
    words = "Storage limit reached: see hf.co/billing \x1b[31m\u202e(red) " + "x" * 300
    header = "Storage limit reached: see hf.co/billing ?[31m?(red) " + "x" * 300
    answer = Says(json.dumps({"error": words}).encode(), status, {"X-Error-Message": header})
    shown = r"Storage limit reached: see hf.co/billing \x1b[31m\u202e(red) " + "x" * 300
    for number, ask in enumerate(ask_everything()):
        here.faults.clear()
        here.faults.plan(answer, times=10**6)
        with pytest.raises(CheckpointError) as caught:
            ask()
        # A file is asked for by HEAD, whose answer has no body.
        expected = shown if number < 5 else header
        assert caught.value.message.endswith(f": {expected}")
        assert "user/model" in caught.value.message
        assert caught.value.hint
        assert isinstance(caught.value, HubUnreachable) == (status in (429, 500, 503))


def test_a_token_is_never_shown(here: HubServer, online: GoOnline, tmp_path: Path) -> None:
    online(here, "hf_write", tmp_path / "other")
    long = "hf_" + "A1b2" * 8
    words = (
        f"Token hf_write of Bearer {long} is refused at https://me:pass@hub/x?X-Amz-Signature=abc"
    )
    for subject in (MODEL, Subject("user/model", token="hf_read_given")):
        body = json.dumps({"error": f"{words} {subject.token or ''}"}).encode()
        here.faults.clear()
        here.faults.plan(Says(body, 403, {"X-Error-Message": words}), times=99)
        with pytest.raises(SynpicError) as caught:
            commit_of(subject)
        shown = f"{caught.value.message} {caught.value.hint} {subject!r}"
        for secret in ("hf_write", long, "pass", "abc", "hf_read_given"):
            assert secret not in shown
        assert "is refused at" in shown


DEEP = b"[" * 50_000 + b"]" * 50_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><title>Log in to the network</title></html>", "text/html"),
        (b"{}", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"[[1]]", "application/json"),
        (b"[{}]", "application/json"),
        (b'{"sha": 7, "siblings": 3, "tags": 1, "branches": {}}', "application/json"),
        (DEEP, "application/json"),
        (b"\xff\xfe", "application/json"),
    ],
    ids=["html", "object", "list", "null", "nested", "objects", "types", "deep", "bytes"],
)
def test_an_answer_that_is_not_the_hubs(here: HubServer, body: bytes, kind: str) -> None:
    for ask in ask_everything():
        here.faults.clear()
        here.faults.plan(Says(body, 200, {"Content-Type": kind}), times=10**6)
        try:
            ask()
        except HubUnreachable as error:
            assert "the answer is not the Hub's" in error.message
            assert "HF_ENDPOINT" in str(error.hint)
        else:
            # An empty list is an answer to the questions that have lists for answers.
            assert body in (b"[]", b"{}")


@pytest.mark.parametrize("bad", ["../../../../escaped", "main", "A" * 40, "0" * 39, "/tmp/x"])
def test_a_commit_is_40_digits_wherever_it_comes_from(
    here: HubServer, tmp_path: Path, bad: str
) -> None:
    here.faults.plan(Says(json.dumps({"sha": bad, "id": "user/model"}).encode()), times=99)
    for ask in (lambda: commit_of(MODEL), lambda: files_of(MODEL)):
        with pytest.raises(HubUnreachable, match="the answer is not the Hub's: it names a commit"):
            ask()
    here.faults.clear()
    for status, code in ((200, ""), (404, "EntryNotFound")):
        headers = {"X-Repo-Commit": bad, "ETag": '"abc"', "X-Error-Code": code}
        here.faults.clear()
        here.faults.plan(Says(b"{}", status, headers), times=99, path="/resolve/")
        with pytest.raises(HubUnreachable, match="the answer is not the Hub's: it names a commit"):
            download(MODEL, "config.json")
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("bad", ["../../../escaped", "..", "a/b", "x" * 300])
def test_a_hash_that_leads_out_of_the_cache(here: HubServer, tmp_path: Path, bad: str) -> None:
    headers = {"X-Repo-Commit": "0" * 40, "ETag": f'"{bad}"'}
    here.faults.plan(Says(b"{}", 200, headers), times=99, path="/resolve/")
    with pytest.raises(HubUnreachable, match="it names a file's content"):
        download(MODEL, "config.json")
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_file_that_leads_out_of_the_repository(here: HubServer, tmp_path: Path) -> None:
    row = {"type": "file", "oid": "0" * 40, "size": 1, "path": "../../escaped"}
    here.faults.plan(Says(json.dumps([row]).encode()), times=99, path="/tree/")
    with pytest.raises(HubUnreachable, match="it names a file"):
        names_of(MODEL)
    for path in ("../x", "/etc/passwd", "a/../../x", "a\\..\\x", "x\0"):
        with pytest.raises(CheckpointError, match="leads out of the repository"):
            download(MODEL, path)


def test_a_request_has_a_time_limit(here: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import get_session

    commit_of(MODEL)
    assert get_session().timeout.read == session.SECONDS


def test_files_are_read_in_ranges_and_asked_for_again(here: HubServer) -> None:
    content = bytes(range(256)) * 1000
    commit = here.commit("user/dataset", {"big.parquet": content}).oid
    files = RepositoryFiles(dataset("user/dataset", commit))
    with files.open(f"{files.root}/big.parquet") as stream:
        assert stream.seek(-6, 2) == len(content) - 6
        planned = here.faults.plan(Drop(), times=8, path="big.parquet")
        assert stream.read(6) == content[-6:]
        assert planned.struck
        here.faults.clear()
        stream.seek(10)
        assert stream.read(4) == content[10:14]
        assert stream.tell() == 14
        assert stream.read() == content[14:]
    with pytest.raises(FileNotFoundError):
        files.open(f"{files.root}/none.parquet")
    assert files.find(files.root)[f"{files.root}/big.parquet"]["size"] == len(content)


def test_a_repository_that_is_gone_is_no_missing_file(here: HubServer) -> None:
    files = RepositoryFiles(dataset("user/none", "0" * 40))
    with pytest.raises(ReleaseError, match="there is no dataset 'user/none'"):
        files.open(f"{files.root}/x")
