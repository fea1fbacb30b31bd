"""What a command says at Ctrl-C, SIGTERM and SIGHUP, and the exit code of a run that they ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synpic.engine.progress import Event, Listener

__all__ = ["Acknowledged", "exit_code_of_stop", "remember"]

SECONDS_TO_END = 5.0
"""After an interruption; libraries may wait for threads of theirs, which wait for a network."""

_received: list[signal.Signals] = []


def exit_code_of_stop() -> int:
    """128 and the number of the first signal, as shells have it; of Ctrl-C where none was seen."""
    return 128 + (_received or [signal.SIGINT])[0]


def remember(number: signal.Signals) -> None:
    """Let :func:`exit_code_of_stop` know of a signal that ended a command."""
    _received.append(number)


class Acknowledged:
    """Passes events on to ``listener``, and knows from them what is running when a signal comes."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._states: dict[Hashable, tuple[str, str]] = {}

    def __call__(self, event: Event) -> None:
        """See :data:`synpic.engine.progress.Listener`."""
        self._states[event.key] = event.state, event.label
        self._listener(event)

    def acknowledge(self, number: signal.Signals, at_once: bool) -> None:
        """Say on stderr what is finished first; see :func:`synpic.engine.stop.stop_on_signals`."""
        remember(number)
        if at_once:
            end = threading.Timer(SECONDS_TO_END, os._exit, [exit_code_of_stop()])
            end.daemon = True
            end.start()
            return
        # Straight to the descriptor: a signal handler must not wait for anybody's lock.
        with suppress(OSError):  # a terminal that is gone
            os.write(2, f"\n{self._in_hand()}; Ctrl-C again stops at once\n".encode())

    def _in_hand(self) -> str:
        states = list(self._states.values())
        if any(state == "working" for state, _ in states):
            return "finishing the current batch"
        opening = [label for state, label in states if state == "opening"]
        return f"waiting until {opening[0]} is open" if opening else "finishing what is running"
