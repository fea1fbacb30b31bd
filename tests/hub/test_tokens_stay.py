"""A token goes to the Hub and to no other host, whatever the Hub's answers say."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from synpic.errors import SynpicError
from synpic.hub.answers import NotTheHub
from synpic.hub.client import commit_of, commits_of, files_of, names_of, refs_of, tree_of
from synpic.hub.errors import Subject
from synpic.hub.files import RepositoryFiles, download
from synpic.hub.retry import ask
from tests.hub_server import Fault, HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.hub_server.messages import Answer, Exchange

__all__ = ["hub", "online", "waits"]

LARGE = bytes(range(256)) * 100_000


@dataclass(frozen=True)
class Redirect(Fault):
    """To another host, by the same path."""

    status: int
    to: str

    def before(self, exchange: Exchange) -> Answer:
        return Answer(self.status, b"", {"Location": self.to + exchange.target})


@dataclass(frozen=True)
class NextPage(Fault):
    """The next page of a listing is on another host."""

    to: str

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        link = f'<{self.to}{exchange.target}>; rel="next"'
        return replace(answer, headers={**answer.headers, "Link": link})


@dataclass(frozen=True)
class VerifyElsewhere(Fault):
    """An upload is to be reported to another host."""

    to: str

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        assert isinstance(answer.body, bytes)
        body = json.loads(answer.body)
        for one in body["objects"]:
            one.setdefault("actions", {})["verify"] = {"href": f"{self.to}/verify"}
        return replace(answer, body=json.dumps(body).encode())


@pytest.fixture
def here(hub: HubServer, online: GoOnline, tmp_path: Path, waits: list[float]) -> HubServer:
    hub.create("user/set")
    hub.commit("user/set", {"config.json": b"{}", "large.bin": LARGE})
    online(hub, "hf_write", tmp_path / "home")
    return hub


def others(hub: HubServer, method: str | None = None) -> list[str | None]:
    """The tokens of requests that came to the other host."""
    return [exchange.token for exchange in hub.seen(method, host="storage")]


SUBJECT = Subject("user/set", None, "dataset", token="hf_write")
QUESTIONS: dict[str, Callable[[], object]] = {
    "commit": lambda: commit_of(SUBJECT),
    "names": lambda: names_of(SUBJECT),
    "files": lambda: files_of(SUBJECT),
    "refs": lambda: refs_of(SUBJECT),
    "history": lambda: commits_of(SUBJECT),
    "tree": lambda: tree_of(SUBJECT),
    "small file": lambda: download(SUBJECT, "config.json"),
    "large file": lambda: download(SUBJECT, "large.bin"),
    "listing": lambda: RepositoryFiles(replace(SUBJECT, revision="main")).find(
        "datasets/user/set@main"
    ),
    "range": lambda: (
        RepositoryFiles(replace(SUBJECT, revision="main"))
        .open("datasets/user/set@main/config.json")
        .read()
    ),
}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_takes_no_token_along(here: HubServer, status: int) -> None:
    redirect = Redirect(status, here.storage_endpoint)
    here.faults.plan(redirect, times=1000, host="hub", path="/resolve/")
    for question in QUESTIONS.values():
        with suppress(SynpicError, FileNotFoundError):
            question()
    assert others(here), "the redirects were followed"
    assert set(others(here)) == {None}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "name", [name for name in QUESTIONS if "file" not in name or name == "files"]
)
def test_a_question_that_is_passed_on_to_another_host_is_refused(
    here: HubServer, status: int, name: str
) -> None:
    here.faults.plan(Redirect(status, here.storage_endpoint), times=99, host="hub", path="/api/")
    with pytest.raises(SynpicError, match="not the Hub's: a redirect leads to another host"):
        QUESTIONS[name]()
    assert not others(here)


@pytest.mark.parametrize("question", ["history", "tree", "listing"])
def test_a_listing_that_goes_on_at_another_host_is_refused(here: HubServer, question: str) -> None:
    here.faults.plan(NextPage(here.storage_endpoint), method="GET", path="tree|commits", host="hub")
    with pytest.raises(SynpicError, match="leads to another host"):
        QUESTIONS[question]()
    assert set(others(here)) <= {None}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_commit_that_is_redirected_takes_no_token_along(here: HubServer, status: int) -> None:
    from huggingface_hub import HfApi

    here.faults.plan(Redirect(status, here.storage_endpoint), path="/commit/|preupload", times=9)
    api = HfApi(endpoint=here.endpoint, token="hf_write")

    def act() -> object:
        return api.upload_file(
            path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="user/set", repo_type="dataset"
        )

    # Of whatever kind: the commit is refused or not, the token has to stay.
    with suppress(Exception):
        ask(SUBJECT, act)
    assert here.seen(part="preupload"), "it was asked"
    assert set(others(here)) <= {None}


def test_an_upload_that_is_to_be_reported_elsewhere_is_refused(here: HubServer) -> None:
    from huggingface_hub import HfApi

    here.faults.plan(VerifyElsewhere(here.storage_endpoint), path="lfs/objects/batch", times=9)
    api = HfApi(endpoint=here.endpoint, token="hf_write")

    def act() -> object:
        return api.upload_file(
            path_or_fileobj=LARGE + b"1",
            path_in_repo="b.bin",
            repo_id="user/set",
            repo_type="dataset",
        )

    with pytest.raises((SynpicError, NotTheHub), match="leads to another host"):
        ask(SUBJECT, act)
    assert set(others(here)) <= {None}
