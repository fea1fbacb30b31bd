"""Runs the page's server until Ctrl-C."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from synpic.engine.stop import stop_on_signals
from synpic.errors import Stopped, SynpicError
from synpic.view.frame import Frame
from synpic.view.security import OwnPageOnly, is_loopback
from synpic.view.server import make_app

__all__ = ["make_server", "serve"]


def serve(
    frame: Frame,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], None] = lambda address: None,
    on_signal: Callable[[signal.Signals], object] = lambda number: None,
) -> None:
    """Serve ``frame`` until a signal ends it.

    Args:
        port: any free one if 0.
        on_ready: called with the page's address once it answers.
        on_signal: called with the signal that ends it.

    Raises:
        SynpicError: it cannot listen there.
        Stopped: Ctrl-C, SIGTERM or SIGHUP.
    """
    server, listener, address = make_server(frame, host=host, port=port)

    def end(number: signal.Signals, at_once: bool) -> None:
        server.should_exit = True  # uvicorn handles no SIGHUP
        on_signal(number)

    # uvicorn ends at a signal, and then raises it again.
    with listener, suppress(KeyboardInterrupt), stop_on_signals(end):
        on_ready(address)
        server.run([listener])
    raise Stopped("stopped", hint="marks are kept; run `synpic view` to look again")


def make_server(
    frame: Frame, *, host: str = "127.0.0.1", port: int = 0
) -> tuple[uvicorn.Server, socket.socket, str]:
    """A server, the socket it is to listen on, already bound, and the address of its page.

    Raises:
        SynpicError: it cannot listen there.
    """
    token = "" if is_loopback(host) else secrets.token_urlsafe(24)
    name = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        # Named as TCP, or asyncio leaves each small answer waiting for an acknowledgement: 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((name, port))
        listener.listen()  # from here on a browser waits, and is not refused
    except OSError as error:
        raise SynpicError(
            f"--host {host} --port {port}: cannot listen there: {error.strerror or error}",
            hint="name an address of this machine and a free port; --port 0 takes any",
        ) from error
    bound = listener.getsockname()[1]
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(name, name)
    authority = f"[{shown}]" if ":" in shown else shown
    address = f"http://{authority}:{bound}/" + (f"{token}/" if token else "")
    config = uvicorn.Config(
        OwnPageOnly(make_app(frame), name, token),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    return uvicorn.Server(config), listener, address
