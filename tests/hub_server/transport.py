"""A host on the loopback: sockets and HTTP, and nothing of what is asked or answered."""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.hub_server.faults import Dropped
from tests.hub_server.messages import Answer, Body, ClientLeft, Host, Request, ratelimit

__all__ = ["Listener"]


class Listener(ThreadingHTTPServer):
    """A port of its own, and a thread for each connection.

    Args:
        host: which host it is.
        respond: the answer to a request; it may raise :class:`Dropped` to end the connection.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: Host, respond: Callable[[Request], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = host
        self.respond = respond
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._connections: set[socket.socket] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No new connections, and the end of those that are kept alive."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._connections):
            _hang_up(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    """A connection: request after request, until one side ends it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Listener

    def handle(self) -> None:
        try:
            super().handle()
        except (ClientLeft, ConnectionError, Dropped):
            _hang_up(self.connection)

    def serve(self) -> None:
        body = Body(self.rfile, self.headers)  # type: ignore[arg-type]
        request = Request(self.server.host, self.command, self.path, self.headers, body)  # type: ignore[arg-type]
        answer = self.server.respond(request)
        self.send_response(answer.status)
        headers = {
            **ratelimit(1000, 300),
            "X-Request-Id": f"Root=1-{uuid.uuid4().hex}",
            "Content-Length": str(answer.length),
            **answer.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        left = answer.length if answer.cut is None else answer.cut
        for piece in answer.pieces():
            self.wfile.write(piece[:left])
            left -= min(len(piece), left)
        if answer.cut is not None:
            self.wfile.flush()
            raise Dropped

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: ``HubServer.requests`` says it all."""


def _hang_up(connection: socket.socket) -> None:
    """End a connection without another word."""
    with contextlib.suppress(OSError):  # it had ended
        connection.shutdown(socket.SHUT_RDWR)
