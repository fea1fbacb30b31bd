"""How a server ends, in the process of the test: it needs the main thread, where signals arrive."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from synpic.errors import Stopped
from synpic.score.wires.synpic import RewardDescription
from synpic.serve import running
from synpic.serve.served import ServedReward
from tests.serve.loopback import Redness, text
from tests.serve.scorers import png


@pytest.fixture
def no_loop() -> Iterator[None]:
    """Take away the loop of a browser that an earlier test has opened: it runs until the end."""
    running_now = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running_now)


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.usefixtures("no_loop")
def test_the_last_words_are_true_of_what_was_accepted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], answered: bool
) -> None:
    monkeypatch.setattr(running, "SECONDS_TO_DRAIN", 30.0 if answered else 0.1)
    red = Redness()
    red.gate.clear()
    described = RewardDescription(
        reward="red", version="1", fingerprint=None, scale=1, reads_prompt=True
    )
    wanted = SimpleNamespace(open=lambda *_: {"red": ServedReward(red, described, 8)})
    calls: list[Future[Any]] = []

    def call(address: str) -> Any:
        body = {"prompts": ["a"], "images": [text(png(255))]}
        try:
            return httpx2.post(f"{address}/v1/score", json=body, timeout=30)
        finally:
            red.gate.set()

    def end() -> None:
        while not red.batches:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        if answered:
            red.gate.set()

    def ready(address: str) -> None:
        calls.extend((threads.submit(call, address), threads.submit(end)))

    with ThreadPoolExecutor(2) as threads, pytest.raises(Stopped) as stopped:
        options = running.ServerOptions(port=0)
        running.serve_rewards(wanted, {"red": described}, options, on_ready=ready)  # type: ignore[arg-type]
    answer, said = calls[0].result(), stopped.value.hint
    if answered:
        assert answer.json()["scores"] == {"red": [1.0]}
        assert said == "what was accepted was answered"
    else:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert answer.json()["error"] == "the server stopped before it had scored this"
        assert said == "callers that still waited got no scores"
    assert capfd.readouterr().err == ""
