"""A page's application on a port: who may ask is checked first, and a signal ends it."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from synpic.engine.stop import stop_on_signals
from synpic.errors import SynpicError
from synpic.web.security import App, OwnPageOnly, is_loopback

__all__ = ["Listening", "authority_of", "bind", "listen", "run_until_signal"]


@dataclass(frozen=True)
class Listening:
    """A server, the socket it is to listen on, already bound, and the address of its page."""

    server: uvicorn.Server
    socket: socket.socket
    address: str


def listen(
    app: App,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    names: Collection[str] = (),
) -> Listening:
    """Bind a port for ``app``; its paths begin after the token, where there is one.

    Args:
        port: any free one if 0.
        token: the first part of every path, where ``host`` is not loopback; a random one if None.
        names: under which others reach this machine, beside its own.

    Raises:
        SynpicError: it cannot listen there.
    """
    if is_loopback(host) and not names:
        token = ""
    elif token is None:
        token = secrets.token_urlsafe(24)
    name = host.strip("[]")
    listener = bind(name, port)
    address = f"http://{authority_of(name, listener)}/" + (f"{token}/" if token else "")
    config = uvicorn.Config(
        OwnPageOnly(app, name, token, names),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    return Listening(uvicorn.Server(config), listener, address)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host``; on any free port if 0.

    Raises:
        SynpicError: it cannot listen there.
    """
    name = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        # Named as TCP, or asyncio leaves each small answer waiting for an acknowledgement: 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((name, port))
        listener.listen()  # from here on a caller waits, and is not refused
    except OSError as error:
        raise SynpicError(
            f"--host {host} --port {port}: cannot listen there: {error.strerror or error}",
            hint="name an address of this machine and a free port; --port 0 takes any",
        ) from error
    return listener


def authority_of(host: str, listener: socket.socket) -> str:
    """How others write the host and port of ``listener`` in an address."""
    name = host.strip("[]")
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(name, name)
    return (f"[{shown}]" if ":" in shown else shown) + f":{listener.getsockname()[1]}"


def run_until_signal(
    listening: Listening,
    *,
    on_ready: Callable[[str], None] = lambda address: None,
    on_signal: Callable[[signal.Signals], object] = lambda number: None,
) -> None:
    """Serve until Ctrl-C, SIGTERM or SIGHUP.

    Args:
        on_ready: called with the page's address once it answers.
        on_signal: called with the signal that ends it.
    """

    def end(number: signal.Signals, at_once: bool) -> None:
        listening.server.should_exit = True  # uvicorn handles no SIGHUP
        on_signal(number)

    # uvicorn ends at a signal, and then raises it again.
    with listening.socket, suppress(KeyboardInterrupt), stop_on_signals(end):
        on_ready(listening.address)
        listening.server.run([listening.socket])
