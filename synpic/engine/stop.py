"""Stopping with grace: a first signal ends the work after the current batch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from synpic.hub.retry import is_asking

__all__ = ["SIGNALS", "stop_on_signals"]

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What asks a run to end: Ctrl-C, a scheduler, a terminal that is closed."""


@contextmanager
def stop_on_signals(
    tell: Callable[[signal.Signals, bool], object] | None = None,
) -> Iterator[threading.Event]:
    """An event that the first of :data:`SIGNALS` sets.

    A second SIGINT interrupts at once, and so does any of them while this thread waits for the Hub:
    no batch is running then.

    Args:
        tell: called at each signal with its number, and whether it interrupts; in a signal handler,
            so let it do little.

    Raises:
        KeyboardInterrupt: at such an interruption.

    Outside the main thread, where Python allows no handlers, the event is simply never set. A
    signal that is ignored, as ``nohup`` has SIGHUP, stays so.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        at_once = is_asking() or (stop.is_set() and number == signal.SIGINT)
        first = not stop.is_set()
        stop.set()
        if tell is not None and (first or at_once):
            tell(signal.Signals(number), at_once)
        if at_once:
            raise KeyboardInterrupt

    before = {
        number: signal.signal(number, ask)
        for number in SIGNALS
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
