"""Connections that stay silent: they end, and keep no others out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn

from synpic.serve import connections, running
from synpic.web.answers import json_answer
from synpic.web.listening import bind
from synpic.web.security import App

HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX"


@contextmanager
def answering() -> Iterator[int]:
    """The port of a server with the settings of `synpic serve`."""
    app: App = json_answer({})
    server = uvicorn.Server(running._config(app))
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


def silent(port: int, said: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=10)
    made.sendall(said)
    return made


def test_a_request_whose_head_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with answering() as port, httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/").is_success
        begun = [silent(port), silent(port, HEAD)]
        began = time.monotonic()
        for one in begun:
            assert one.recv(4096) == b""
            one.close()
        assert 0.1 < time.monotonic() - began < 5
        # Between two requests it may be silent for longer.
        (used,) = client._transport._pool.connections  # type: ignore[attr-defined]
        assert client.get("/").is_success
        assert client._transport._pool.connections == [used]  # type: ignore[attr-defined]


def test_silent_connections_leave_room_for_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 4)
    with answering() as port:
        held = [silent(port) for _ in range(12)]
        for _ in range(3):
            assert httpx2.get(f"http://127.0.0.1:{port}/").is_success
        assert held[0].recv(1) == b""
        for one in held:
            one.close()


def test_the_number_of_connections_is_that_of_files() -> None:
    resource = pytest.importorskip("resource")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 16 <= connections.most_connections() < max(files, 17)
