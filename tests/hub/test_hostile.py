"""A server that is hostile from its n-th answer on: one error, and nothing written elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from huggingface_hub import hf_hub_download

from synpic.errors import HubUnreachable
from synpic.hub.answers import NotTheHub
from synpic.hub.client import commit_of, dataset
from synpic.hub.errors import Subject
from synpic.hub.files import RepositoryFiles, download
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.questions import question
from tests.hub.hostile import BODIES, KINDS
from tests.hub.mirrored import MAKING, READING, WRITING, Mirror, Seen
from tests.hub.test_tokens_stay import QUESTIONS, here
from tests.hub_server import Fault, HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.hub_server.messages import Answer, Exchange

__all__ = ["here", "hub", "online", "waits"]


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return Mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="module")
def whole_mirror(mirror: Mirror) -> Mirror:
    mirror.make_models()
    return mirror


def wrong(seen: Seen) -> str | None:
    """What is wrong with how a command took a hostile answer."""
    if seen.code is None:
        return seen.text
    if seen.strayed:
        return f"wrote {', '.join(seen.strayed)}"
    if seen.code not in (0, 1, 3, 4, 5):
        return f"exit code {seen.code}: {seen.text}"
    if seen.code and not re.search("user/|maker/|the Hub", seen.text):
        return f"names nothing: {seen.text}"
    return None


def each_request(mirror: Mirror, scene: str, every: int = 1) -> list[str]:
    """A scene, hostile at each of its requests in turn, in a way that changes with it.

    Args:
        every: take each so-manyth request.
    """
    clean = mirror.run(scene)
    found = []
    for nth, asked in list(enumerate(clean.requests))[::every]:
        kind = KINDS[(7 * nth + len(scene)) % len(KINDS)]
        seen = mirror.run(scene, kind, nth, 1 if nth % 2 else 10**6)
        if (words := wrong(seen)) is not None:
            found.append(f"{kind} at {asked}: {words}")
        # A loop on answers that bring too little would ask without end.
        assert len(seen.requests) <= 20 * len(clean.requests), (kind, asked)
    return found


@pytest.mark.parametrize("scene", ["versions", "quick", "re-rank"])
def test_no_answer_in_a_command_is_a_traceback_or_a_path(mirror: Mirror, scene: str) -> None:
    assert each_request(mirror, scene, every=4) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scene", [*WRITING, *READING])
def test_every_request_of_reading_and_publishing(mirror: Mirror, scene: str) -> None:
    assert each_request(mirror, scene) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scene", MAKING)
def test_every_request_of_making(whole_mirror: Mirror, scene: str) -> None:
    assert each_request(whole_mirror, scene) == []


# -- the form of answers ------------------------------------------------------------------------


def test_what_the_hub_answers_has_the_form(here: HubServer) -> None:
    for ask in QUESTIONS.values():
        ask()
    checked = 0
    for exchange in here.requests:
        asked = question(exchange.method, here.endpoint + exchange.target)
        if asked is not None and exchange.status == 200:
            asked.check(exchange.response)
            checked += 1
            for kind, (body, _) in BODIES.items():
                if kind != "list":  # an empty list is an answer, of a repository without files
                    with pytest.raises(NotTheHub):
                        asked.check(body)
    assert checked >= 8


SET = "http://hub/api/datasets/user/set"
FILE = {"type": "file", "path": "a", "oid": "0" * 40, "size": 1}
REF = {"name": "main", "ref": "refs/heads/main", "targetCommit": "0" * 40}
PAST = {"id": "0" * 40, "date": "2024-01-01T00:00:00.000Z", "title": "x"}
EVIL = ["../../../../../pwned", "/etc/x", "x\0y", "", 7, None, ["a"]]


@pytest.mark.parametrize("evil", EVIL)
def test_a_name_of_a_server_is_no_path_and_no_commit(evil: object) -> None:
    answers: list[tuple[str, str, Any]] = [
        ("GET", SET, {"sha": evil}),
        ("GET", f"{SET}/revision/v1", {"sha": evil, "siblings": []}),
        ("GET", SET, {"sha": "0" * 40, "siblings": [{"rfilename": evil}]}),
        ("GET", f"{SET}/tree/main/a", [FILE | {"path": evil}]),
        ("GET", f"{SET}/tree/main", [FILE | {"oid": evil}]),
        ("POST", f"{SET}/paths-info/main", [FILE | {"lfs": {"oid": evil or 1, "size": 1}}]),
        ("GET", f"{SET}/refs", {"branches": [REF | {"targetCommit": evil}], "tags": []}),
        ("GET", f"{SET}/refs", {"branches": [], "tags": [REF | {"targetCommit": evil}]}),
        ("GET", f"{SET}/commits/main", [PAST | {"id": evil}]),
        ("POST", f"{SET}/commit/main", {"commitOid": evil}),
        ("POST", "http://hub/user/set.git/info/lfs/objects/batch", {"objects": [{"oid": evil}]}),
    ]
    for method, url, answer in answers:
        asked = question(method, url)
        assert asked is not None, url
        with pytest.raises(NotTheHub):
            asked.check(json.dumps(answer).encode())


@pytest.mark.parametrize("size", [-1, 2**63, 10**400, "1", 1.5])
def test_a_size_is_a_number_that_a_file_can_have(size: object) -> None:
    asked = question("GET", f"{SET}/tree/main")
    assert asked is not None
    with pytest.raises(NotTheHub, match="size"):
        asked.check(json.dumps([FILE | {"size": size}]).encode())


# -- bytes of files -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Instead(Fault):
    """Another body, or other headers, where a file is read; not where it is asked after."""

    body: bytes | None = None
    status: int | None = None
    header: tuple[str, str] | None = None

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        if exchange.method != "GET":
            return answer
        answer = replace(answer, status=self.status or answer.status)
        if self.header is not None:
            answer = replace(answer, headers={**answer.headers, self.header[0]: self.header[1]})
        return answer if self.body is None else replace(answer, body=self.body)


@pytest.mark.parametrize(
    "fault",
    [
        Instead(b"<html>Log in</html>", 200),
        Instead(b"{}", 200),
        Instead(b"{}"),
        Instead(header=("Content-Range", "bytes 0-9/10")),
        Instead(header=("Content-Range", "bytes 5-4/" + "9" * 400)),
        Instead(header=("Content-Range", "seven")),
    ],
)
def test_a_range_is_the_range_that_was_asked_for(here: HubServer, fault: Fault) -> None:
    files = RepositoryFiles(dataset("user/set", here.repositories["user/set"].find().oid))
    with files.open(f"{files.root}/large.bin") as stream:
        here.faults.plan(fault, times=10**6, host="storage")
        asked = len(here.requests)
        stream.seek(100)
        with pytest.raises(HubUnreachable, match="user/set: the answer is not the Hub's"):
            stream.read(1000)
        assert len(here.requests) - asked <= 4


@pytest.mark.parametrize("path", ["config.json", "large.bin"])
@pytest.mark.parametrize("body", [b"", b"<html>Log in to the network</html>"])
def test_a_file_of_another_size_is_not_the_hubs(here: HubServer, path: str, body: bytes) -> None:
    # The first of two answers says where the file is.
    place = {"host": "storage"} if path == "large.bin" else {"path": "/resolve-cache/"}
    here.faults.plan(Instead(body), times=10**6, method="GET", **place)  # type: ignore[arg-type]
    subject = Subject("user/set", None, "dataset")
    files = RepositoryFiles(replace(subject, revision="main"))

    def whole() -> object:
        with files.open(f"{files.root}/{path}") as stream:
            return stream.read()

    def by_a_library() -> object:
        with naming_hub_errors("user/set", None, "dataset"):
            return hf_hub_download("user/set", path, repo_type="dataset")

    asks: list[Callable[[], object]] = [lambda: download(subject, path), by_a_library, whole]
    for ask in asks:
        with pytest.raises(HubUnreachable, match="user/set: the answer is not the Hub's"):
            ask()


@pytest.mark.parametrize("size", ["9" * 400, "seven", "-1"])
def test_a_size_in_a_header_is_one(here: HubServer, size: str) -> None:
    class Sized(Fault):
        def after(self, exchange: Exchange, answer: Answer) -> Answer:
            return replace(answer, headers={**answer.headers, "X-Linked-Size": size})

    here.faults.plan(Sized(), times=99, path="/resolve/")
    with pytest.raises(HubUnreachable, match="it names a file's size"):
        download(Subject("user/set", None, "dataset"), "large.bin")


@pytest.mark.parametrize("location", ["http://[::", "http://hub:port/x"])
def test_a_redirect_leads_to_a_url(here: HubServer, location: str) -> None:
    class Redirected(Fault):
        def before(self, exchange: Exchange) -> Answer:
            return Answer(302, b"", {"Location": location})

    here.faults.plan(Redirected(), times=99)
    subject = Subject("user/set", None, "dataset")
    for ask in (lambda: commit_of(subject), lambda: download(subject, "config.json")):
        with pytest.raises(HubUnreachable, match="which is no URL"):
            ask()
