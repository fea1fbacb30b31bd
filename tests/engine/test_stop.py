"""Signals that ask a run to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from synpic.engine.stop import SIGNALS, stop_on_signals
from synpic.hub.errors import Subject
from synpic.hub.retry import Patience


def raise_signal(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_lets_what_is_in_hand_be_finished(number: signal.Signals) -> None:
    told: list[tuple[signal.Signals, bool]] = []
    before = [signal.getsignal(one) for one in SIGNALS]
    with stop_on_signals(lambda *words: told.append(words)) as stop:
        raise_signal(number)
        assert stop.is_set()
        assert told == [(number, False)]
        with pytest.raises(KeyboardInterrupt):
            raise_signal(signal.SIGINT)
        assert told[1:] == [(signal.SIGINT, True)]
    assert [signal.getsignal(one) for one in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_wait_for_the_hub_ends_at_once(number: signal.Signals) -> None:
    told: list[bool] = []
    patience = Patience(sleep=lambda _: raise_signal(number))
    with stop_on_signals(lambda _, at_once: told.append(at_once)) as stop:
        with pytest.raises(KeyboardInterrupt):
            patience.rest("reading", 5)
        with pytest.raises(KeyboardInterrupt):
            patience.call(Subject("a/b"), lambda: raise_signal(number))
        assert stop.is_set()
    assert told == [True, True]


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            raise_signal(signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


WAIT = """
import os, signal, socket, sys, threading
def mine(number, frame):
    raise {error}
if "{error}" != "KeyboardInterrupt":
    signal.signal(signal.SIGINT, mine)
import {module}
before = signal.getsignal(signal.SIGINT)
import polars
polars.DataFrame({{"a": [1]}}).lazy().collect()
assert signal.getsignal(signal.SIGINT) is before
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
late = threading.Timer(10, lambda: os._exit(9))
late.daemon = True
late.start()
try:
    pair = socket.socketpair()
    pair[0].recv(1)
except {error}:
    os._exit(7)
"""


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "LookupError"])
def test_polars_leaves_waits_interruptible_and_handlers_as_they_were(error: str) -> None:
    code = WAIT.format(error=error, module="synpic")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
