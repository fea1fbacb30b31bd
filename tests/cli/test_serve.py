"""``synpic serve`` as a user runs it: what it prints and refuses, how it ends, killed callers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from synpic.score.reward import resolve_reward
from synpic.workspace import Workspace
from tests.cli.conftest import Start, in_process
from tests.nursery import Started
from tests.publish.fixtures import build
from tests.serve.loopback import text
from tests.serve.scorers import png

SLOW = "tests.fakes:slow_redness"
BODY = {"prompts": ["a"] * 4, "images": [text(png(200))] * 4}


def begun(process: Started) -> dict[str, Any]:
    """What it prints once it answers."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate(timeout=60)[1]
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_ends_it_once_all_is_answered(
    start: Start, number: signal.Signals
) -> None:
    process = start("serve", "--reward", SLOW, "--port", "0", "--batch-size", "2", "--json")
    address = begun(process)["address"]
    answered = threading.Event()

    def call() -> list[int]:
        statuses: list[int] = []
        with httpx2.Client(base_url=address, timeout=60) as client:
            while not statuses or statuses[-1] == 200:
                try:
                    answer = client.post("/v1/score", json=BODY)
                except httpx2.ConnectError:  # the port is closed: nothing was accepted
                    break
                statuses.append(answer.status_code)
                if answer.is_success:
                    assert answer.json()["scores"] == {SLOW: [200.0] * 4}
                    answered.set()
        return statuses

    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(call) for _ in range(8)]
        assert answered.wait(60)
        process.send_signal(number)
        for one in calls:
            # Accepted and answered, then refused; no connection was cut.
            statuses = one.result()
            assert statuses.count(200) >= len(statuses) - 1
            assert set(statuses) <= {200, 503}
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (128 + number, "")
    assert "what was accepted was answered" in errors
    assert "Traceback" not in errors


CALLER = f"""
import sys
import httpx2
body = {json.dumps(BODY)}
print("calls", flush=True)
while True:
    httpx2.post(sys.argv[1] + "/v1/score", json=body, timeout=60)
"""


def test_a_killed_caller_leaves_nothing_behind(start: Start) -> None:
    process = start("serve", "--reward", SLOW, "--port", "0", "--json")
    address = begun(process)["address"]
    callers = [
        subprocess.Popen([sys.executable, "-c", CALLER, address], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    with httpx2.Client(base_url=address, timeout=60) as client:
        for caller in callers:
            assert caller.stdout is not None
            assert caller.stdout.readline() == b"calls\n"
        while not client.get("/health").json()["queue_images"]:
            pass
        for caller in callers:
            caller.kill()
            caller.communicate()
        while client.get("/health").json()["queue_images"]:
            pass
        assert client.post("/v1/score", json=BODY).json()["scores"] == {SLOW: [200.0] * 4}
    process.terminate()
    assert "Traceback" not in process.communicate(timeout=60)[1]


def test_a_lost_device_ends_it_with_one_error(start: Start) -> None:
    """A supervisor sees the exit, and starts another."""
    reward = "tests.fakes:loses_device"
    process = start("serve", "--reward", reward, "--reward", SLOW, "--port", "0", "--json")
    address = begun(process)["address"]
    answer = httpx2.post(f"{address}/v1/score", json=BODY | {"rewards": [reward]}, timeout=60)
    assert (answer.status_code, "an ECC error" in answer.json()["error"]) == (503, True)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the device is lost to this process: an ECC error" in errors
    assert "start the server again" in errors
    assert "Traceback" not in errors


def test_a_workspace_serves_the_rewards_of_its_recipe(tmp_path: Path) -> None:
    build(tmp_path / "set")
    found = in_process("serve", "-C", tmp_path / "set", "--dry-run", "--json")
    assert found.exit_code == 0, found.exception
    shown = json.loads(found.output)["rewards"]
    snapshot = Workspace.open(tmp_path / "set").snapshot()
    assert {name: one["fingerprint"] for name, one in shown.items()} == {
        name: resolve_reward(name, settings, snapshot.lock).fingerprint
        for name, settings in snapshot.recipe.rewards.items()
    }


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "no reward is named"),
        (("--reward", "shapes_qualty"), "Did you mean 'shapes_quality'"),
        (("--reward", SLOW, "--reward", SLOW), "is there twice"),
        (("--reward", SLOW, "--host", "0.0.0.0"), "there is no token"),
        (("--reward", SLOW, "--scale", "red=2"), "no such reward is served"),
        (("--reward", SLOW, "--scale", SLOW), "expected NAME=NUMBER"),
        (("--reward", SLOW, "--scale", f"{SLOW}=0"), "a scale is above 0"),
        (("--reward", SLOW, "--scale", f"{SLOW}=nan"), "a scale is above 0"),
        (("--reward", "tests.fakes:SIDE"), "not a reward"),
    ],
)
def test_what_cannot_be_served_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = in_process("serve", *words, "--dry-run")
    assert found.exit_code == 1
    assert part in str(found.exception)


def test_a_port_that_is_taken_is_one_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = in_process("serve", "--reward", SLOW, "--port", taken.getsockname()[1])
    assert found.exit_code == 1
    assert "cannot listen there" in str(found.exception)


def test_another_host_wants_a_token_that_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("serve", "--reward", SLOW, "--host", "0.0.0.0", "--dry-run", "--json")
    monkeypatch.setenv("SYNPIC_SERVE_TOKEN", "secret")
    found = in_process(*words)
    assert json.loads(found.output)["token"] is True
    assert "secret" not in found.output
    for token in ("", " ", "a\nb", "ü"):
        monkeypatch.setenv("SYNPIC_SERVE_TOKEN", token)
        assert "is no token" in str(in_process(*words).exception)
