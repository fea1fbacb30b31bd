"""Every command can be interrupted while it waits for a network that says nothing, or little."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import ENVIRONMENT, command, usual_signals
from tests.hub_server.fixtures import client_environment
from tests.publish.test_model_release import trained

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"

DRAWN = """
[prompts]
file = "prompts.txt"
[models.m]
checkpoint = "maker/model"
[rewards.clip_score]
checkpoint = "maker/reward"
"""
GIVEN = """
[ingest]
dataset = "user/set"
[rewards.clip_score]
checkpoint = "maker/reward"
"""

COMMANDS: dict[str, tuple[str, list[str]]] = {
    "verify": ("", ["user/set"]),
    "generate": (DRAWN, []),
    "publish": ("", ["--model", "model", "user/model"]),
    "versions": ("", ["user/set"]),
    "diff": ("", ["user/set@v1.0.0", "user/set@v1.1.0"]),
    "re-rank": ("", ["user/set"]),
    "validate": (DRAWN, []),
    "plan": (DRAWN, []),
    "score": (GIVEN, []),
    "train": ("", ["--preset", "shapes", "--set", "data.dataset=user/set"]),
}
FAST = {("verify", "says nothing"), ("generate", "drips")}
"""One that leaves Ctrl-C to Python, one that handles it: the others are slow by number alone."""
CASES = [
    (verb, how) if (verb, how) in FAST else pytest.param(verb, how, marks=pytest.mark.slow)
    for verb in COMMANDS
    for how in ("says nothing", "drips")
]


class Server:
    """Accepts and reads, and says nothing; or a byte now and then, without an end."""

    def __init__(self, drips: bool) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._drips, self.asked, self._closed = drips, threading.Event(), threading.Event()
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=[one], daemon=True).start()

    def _answer(self, one: socket.socket) -> None:
        with suppress(OSError), one:
            one.recv(65536)
            if self._drips:
                one.sendall(HEAD)
            self.asked.set()
            while not self._closed.wait(0.1):
                if self._drips:
                    one.sendall(b" ")

    def close(self) -> None:
        self._closed.set()
        self._socket.close()


@pytest.fixture
def server(how: str) -> Iterator[Server]:
    made = Server(drips=how == "drips")
    yield made
    made.close()


@pytest.fixture
def start(server: Server, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def go(verb: str) -> subprocess.Popen[str]:
        recipe, words = COMMANDS[verb]
        (tmp_path / "prompts.txt").write_text("a cat\na dog\n")
        (tmp_path / "recipe.toml").write_text(recipe)
        trained(tmp_path).rename(tmp_path / "model")
        home = client_environment(
            SimpleNamespace(endpoint=server.endpoint),  # type: ignore[arg-type]
            "hf_write",
            tmp_path / "home",
        )
        started.append(
            subprocess.Popen(
                command(verb, *words),
                cwd=tmp_path,
                env={**home, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"], "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=usual_signals,
            )
        )
        return started[-1]

    yield go
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("verb", "how"), CASES)
def test_ctrl_c_ends_a_wait_for_the_network(
    verb: str, how: str, server: Server, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(verb)
    assert server.asked.wait(120), process.communicate(timeout=1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert process.returncode == 130, errors
    assert "stopped" in errors
    assert time.monotonic() - began < 20, "at once, on a machine that does other things too"
