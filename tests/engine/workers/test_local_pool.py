"""Processes that no signal ends, as one that waits for a dead file server: they are left alone."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from multiprocessing.context import SpawnProcess

import psutil
import pytest

from synpic.engine.workers import local_pool
from synpic.engine.workers.local_pool import LocalPool
from synpic.engine.workers.worker import Progress, WorkerDied
from tests.workers import workers_of


@pytest.mark.slow
def test_a_worker_that_cannot_be_killed_is_given_up_and_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_pool, "LAST_WORDS", 1.0)
    threads = set(threading.enumerate())
    pool = LocalPool([], ["cpu"])
    pool.start(0)
    assert isinstance(_result(pool), Progress)
    (stuck,) = workers_of(psutil.Process().pid)
    stuck.send_signal(signal.SIGSTOP)
    pool.submit(0, "work", {})
    kill, unkillable = SpawnProcess.kill, stuck.pid
    monkeypatch.setattr(
        SpawnProcess, "kill", lambda one: None if one.pid == unkillable else kill(one)
    )
    try:
        pool.kill(0)
        died = _result(pool)
        assert isinstance(died, WorkerDied)
        assert str(died) == "it was killed, and does not end"
        pool.start(0)
        assert isinstance(_result(pool), Progress)
        pool.submit(0, "work", {})
        assert isinstance(_result(pool), Progress)
        pool.close()
        # Nothing is left for which Python would wait at its exit.
        assert unkillable not in [one.pid for one in multiprocessing.active_children()]
        ours = set(threading.enumerate()) - threads
        for thread in ours:
            thread.join(20)
        assert not any(thread.is_alive() and not thread.daemon for thread in ours)
    finally:
        stuck.kill()


def _result(pool: LocalPool) -> Progress | BaseException:
    until = time.monotonic() + 100
    while time.monotonic() < until:
        for _, result in pool.wait(0.2):
            return result
    raise AssertionError("the call never ends")
