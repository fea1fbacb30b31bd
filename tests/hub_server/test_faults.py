"""Each kind of fault, and the exact request it strikes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from tests.hub_server import (
    Call,
    CutAnswer,
    Delay,
    Drop,
    Fault,
    HubServer,
    LostAnswer,
    RateLimited,
    Status,
)
from tests.hub_server.conftest import LARGE, REPO
from tests.hub_server.fixtures import client_environment


def commit(api: HfApi, *, parent: str | None = None) -> str:
    files = [CommitOperationAdd("x.parquet", LARGE), CommitOperationAdd("n.txt", b"1")]
    made = api.create_commit(
        REPO, files, commit_message="mine", repo_type="dataset", parent_commit=parent
    )
    return str(made.oid)


def titles(hub: HubServer) -> list[str]:
    return [made.title for made in hub.repositories[REPO].log()]


@pytest.mark.parametrize(
    ("fault", "waited"),
    [(Status(503), 1), (Status(500), 1), (Drop(), 1), (LostAnswer(), 1), (RateLimited(7), 8)],
    ids=["503", "500", "drop", "lost", "429"],
)
def test_the_client_tries_an_upload_again(
    api: HfApi, hub: HubServer, waits: list[float], fault: Fault, waited: int
) -> None:
    planned = hub.faults.plan(fault, method="PUT", host="storage")
    commit(api)
    assert hub.read(REPO, "x.parquet") == LARGE
    assert waits == [waited]
    assert [request.method for request in planned.struck] == ["PUT"]
    assert len(hub.seen("PUT")) == 2


def test_a_lost_answer_is_not_a_lost_commit(api: HfApi, hub: HubServer) -> None:
    head = hub.repositories[REPO].find().oid
    hub.faults.plan(LostAnswer(), method="POST", path="/commit/")
    with pytest.raises(httpx2.RemoteProtocolError):
        commit(api, parent=head)
    assert titles(hub) == ["mine", "initial commit"]
    with pytest.raises(HfHubHTTPError) as again:
        api.create_commit(
            REPO,
            [CommitOperationAdd("n.txt", b"2")],
            commit_message="again",
            repo_type="dataset",
            parent_commit=head,
        )
    assert again.value.response.status_code == 412


def test_a_dropped_commit_did_not_happen(api: HfApi, hub: HubServer) -> None:
    hub.faults.plan(Drop(), method="POST", path="/commit/")
    with pytest.raises(httpx2.RemoteProtocolError):
        commit(api)
    assert titles(hub) == ["initial commit"]
    assert hub.seen(part="/commit/")[0].status is None
    commit(api)
    assert titles(hub) == ["mine", "initial commit"]


@pytest.mark.parametrize("after_work", [False, True])
def test_another_publisher_comes_in_between(api: HfApi, hub: HubServer, after_work: bool) -> None:
    head = hub.repositories[REPO].find().oid

    def other(exchange: object) -> None:
        hub.commit(REPO, {"other.txt": b"1"}, "theirs")

    hub.faults.plan(Call(other, after_work), method="POST", path="/commit/")
    if after_work:
        commit(api, parent=head)
        assert titles(hub) == ["theirs", "mine", "initial commit"]
    else:
        with pytest.raises(HfHubHTTPError) as stale:
            commit(api, parent=head)
        assert stale.value.response.status_code == 412
        assert titles(hub) == ["theirs", "initial commit"]


def test_a_cut_answer_is_taken_up_again(api: HfApi, hub: HubServer, waits: list[float]) -> None:
    content = LARGE * 60  # the client keeps whole pieces of 10 MiB
    hub.commit(REPO, {"x.parquet": content})
    hub.faults.plan(CutAnswer(11 * 2**20), method="GET", host="storage")
    path = api.hf_hub_download(REPO, "x.parquet", repo_type="dataset")
    assert Path(path).read_bytes() == content
    assert [request.status for request in hub.seen("GET", host="storage")] == [200, 206]


def test_a_delay_is_felt(api: HfApi, hub: HubServer) -> None:
    hub.faults.plan(Delay(2), path="/whoami")
    limits = httpx2.Timeout(60, read=0.1)
    with pytest.raises(httpx2.ReadTimeout), httpx2.Client(timeout=limits) as client:
        client.get(f"{hub.endpoint}/api/whoami-v2")


def test_a_fault_strikes_the_nth_request_that_matches(api: HfApi, hub: HubServer) -> None:
    planned = hub.faults.plan(Status(500), 1, times=2, method="GET", path=r"/revision/v\d$")
    repository = hub.repositories[REPO]
    repository.tags["v1"] = repository.find().oid
    found = []
    for revision in ("v1", "main", "v1", "v1", "v1"):
        try:
            api.dataset_info(REPO, revision=revision)
            found.append(200)
        except HfHubHTTPError as error:
            found.append(error.response.status_code)
    assert found == [200, 200, 500, 500, 200]
    assert [request.number for request in planned.struck] == [3, 4]
    hub.faults.clear()


def test_a_fault_at_every_request_in_turn(
    online: Callable[..., Path], tmp_path: Path, waits: list[float]
) -> None:
    def run(fault: Fault | None, nth: int = 0) -> tuple[HubServer, bool]:
        with HubServer() as server:
            home = online(server, "hf_write", tmp_path / f"{nth}")
            server.create(REPO)
            if fault:
                server.faults.plan(fault, nth)
            try:
                commit(HfApi())
            except (HfHubHTTPError, httpx2.TransportError):
                return server, False
            assert home.name == str(nth)
            return server, True

    clean, done = run(None)
    assert done
    for nth, request in enumerate(clean.requests):
        server, done = run(Drop(), nth)
        assert (server.requests[nth].method, server.requests[nth].status) == (request.method, None)
        assert done == ("/commit/" not in request.target)


def test_a_client_is_killed_at_a_request(hub: HubServer, tmp_path: Path) -> None:
    hub.create(REPO)
    code = (
        "import huggingface_hub as hf\n"
        "files = [hf.CommitOperationAdd('x.parquet', b'PAR1')]\n"
        f"hf.create_commit('{REPO}', files, commit_message='c', repo_type='dataset')\n"
    )
    process: list[subprocess.Popen[bytes]] = []
    hub.faults.plan(Call(lambda exchange: process[0].kill()), path="/commit/")
    hub.faults.plan(Drop(), path="/commit/")
    environment = client_environment(hub, "hf_write", tmp_path / "other")
    process.append(subprocess.Popen([sys.executable, "-c", code], env=environment))
    assert process[0].wait(60) == -signal.SIGKILL
    assert titles(hub) == ["initial commit"]
    assert sum(hub.sent.values()) == 4


def test_a_stopped_server_is_gone(online: Callable[..., Path], tmp_path: Path) -> None:
    with HubServer() as server:
        online(server, "hf_write", tmp_path)
        api = HfApi(endpoint=server.endpoint)
        assert api.whoami()["name"] == "user"
    with pytest.raises(httpx2.TransportError):
        api.whoami()
