"""What libraries ask of the Hub by themselves is waited for by the one policy."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

from synpic.engine.workers.worker import baggage
from synpic.errors import HubUnreachable
from synpic.hub import retry, session
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.retry import guard, waiting
from tests.hub_server import Drop, HubServer, RateLimited, Status
from tests.hub_server.fixtures import hub, online

__all__ = ["hub", "online"]


@pytest.fixture
def slept(
    hub: HubServer,
    online: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[float]:
    """A repository with one file; the seconds of every wait, none of which is waited."""
    online(hub, None, tmp_path / "home")
    guard()
    hub.create("maker/model", kind="model")
    hub.commit("maker/model", {"config.json": b"{}"})
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    return slept


def fetch() -> str:
    """As ``from_pretrained`` does: with nothing of synpic between."""
    return hf_hub_download("maker/model", "config.json")


def test_a_library_s_request_is_asked_again_and_the_wait_is_told(
    hub: HubServer, slept: list[float]
) -> None:
    hub.faults.plan(RateLimited(40), method="HEAD")
    hub.faults.plan(Status(503), 1, times=2, method="HEAD")
    said: list[str] = []
    with waiting(600, said.append):
        assert Path(fetch()).read_bytes() == b"{}"
    assert said[:3] == [
        "maker/model: the Hub says 429; waiting 40 s (try 1)",
        "maker/model: still waiting, 10 s left",
        "maker/model: the Hub says 503; waiting 2 s (try 2)",
    ]
    assert sum(slept) == 40 + 2 + 4


def test_in_the_end_the_library_gets_the_error_and_it_is_explained(
    hub: HubServer, slept: list[float]
) -> None:
    hub.faults.plan(Status(503), times=99, method="HEAD")
    with waiting(20), pytest.raises((HfHubHTTPError, LocalEntryNotFoundError)):
        fetch()
    assert sum(slept) == 20
    with (
        waiting(20),
        pytest.raises(HubUnreachable, match=r"maker/model: .*503"),
        naming_hub_errors("maker/model", None),
    ):
        fetch()


def test_a_connection_that_is_down_is_waited_for_once(hub: HubServer, slept: list[float]) -> None:
    hub.faults.plan(Drop(), times=99)
    with waiting(20):
        for _ in range(3):
            with pytest.raises((HTTPError, LocalEntryNotFoundError)):
                fetch()
    assert sum(slept) == pytest.approx(20, abs=1)


def test_an_answer_that_trickles_has_a_time_limit(
    hub: HubServer, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 50
        return now

    monkeypatch.setattr(session.time, "monotonic", clock)
    slow = answer_of([b" "] * 20)
    session._limit(slow)
    with pytest.raises(httpx2.ReadTimeout, match="3 bytes in 150 s"):
        list(slow.stream)
    quick = answer_of([b" " * 400] * 20)
    session._limit(quick)
    assert len(list(quick.stream)) == 20


def answer_of(blocks: list[bytes]) -> Any:
    request = httpx2.Request("GET", "http://localhost/x")
    return httpx2.Response(200, content=iter(blocks), request=request)


def test_a_worker_waits_as_long_as_its_command() -> None:
    with waiting(1234):
        assert pickle.loads(baggage([])) == ([], 1234)
