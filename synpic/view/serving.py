"""Runs the page's server until Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable

from synpic.errors import Stopped
from synpic.view.frame import Frame
from synpic.view.server import make_app
from synpic.web.listening import Listening, listen, run_until_signal

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
    listening = make_server(frame, host=host, port=port)
    run_until_signal(listening, on_ready=on_ready, on_signal=on_signal)
    raise Stopped("stopped", hint="marks are kept; run `synpic view` to look again")


def make_server(frame: Frame, *, host: str = "127.0.0.1", port: int = 0) -> Listening:
    """A server of ``frame`` that is bound and not running yet.

    Raises:
        SynpicError: it cannot listen there.
    """
    return listen(make_app(frame), host=host, port=port)
