"""A worker pool of processes on this machine: one for each device, or several that share the cores.

Each slot has an executor with one process, so that a death costs one worker. They are spawned, so
that nothing of this process, a half-imported torch least of all, is in them.
"""

from __future__ import annotations

import multiprocessing.process
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from synpic.engine.task import Task
from synpic.engine.threads import share
from synpic.engine.workers import worker_process
from synpic.engine.workers.worker import Progress, WorkerDied, baggage

__all__ = ["LocalPool"]

LAST_WORDS = 30.0
"""Seconds after its kill in which a process should end. One that waits for a device or a dead file
server may not take any signal; it is left to the system, and another takes its place."""


@dataclass
class _Worker:
    executor: ProcessPoolExecutor
    process: BaseProcess | None = None
    call: Future[Progress] | None = None
    killed: float | None = None
    """When; by ``time.monotonic``."""
    ended: bool = False

    @property
    def exit_code(self) -> int | None:
        return None if self.process is None else self.process.exitcode

    @property
    def lingers(self) -> bool:
        """Whether it should have ended long ago."""
        return self.killed is not None and time.monotonic() - self.killed > LAST_WORDS

    def kill(self) -> None:
        if not self.ended and self.process is not None:
            self.killed = self.killed or time.monotonic()
            self.process.kill()
            if sys.version_info < (3, 11, 6):
                # The executor's shutdown waits for a thread that may write to it (gh-94777).
                vars(self.executor)["_call_queue"]._reader.close()

    def end(self) -> None:
        """Wait for its end, once it was killed.

        The executor, and Python at its exit, would wait for ever. So a process that does not end
        is taken from both.
        """
        if self.ended:
            return
        self.ended = True
        while self.killed is not None and self.exit_code is None and not self.lingers:
            time.sleep(0.01)
        stays = self.killed is not None and self.exit_code is None
        if stays:
            inner = vars(self.executor)
            inner["_processes"].clear()
            vars(multiprocessing.process)["_children"].discard(self.process)
            with suppress(OSError):
                # No pickle: the executor's thread takes the pool for broken, and ends.
                inner["_result_queue"]._writer.send_bytes(b"")
        self.executor.shutdown(wait=not stays)


class LocalPool:
    """Workers as processes of this machine, as :class:`.scheduler.WorkerPool` has them.

    Args:
        devices: one for each worker, as torch names them.
    """

    late = 0.0
    """They see what this process sees."""

    def __init__(self, tasks: Sequence[Task], devices: Sequence[str]) -> None:
        self.slots = len(devices)
        """How many workers."""
        self._devices = list(devices)
        self._baggage = baggage(tasks)
        self._environment = share(len(devices))
        self._workers: dict[int, _Worker] = {}
        self._replaced: list[_Worker] = []

    def start(self, slot: int) -> None:
        """Start a process."""
        if slot in self._workers:
            self.kill(slot)
            self._replaced.append(self._workers[slot])
        set_up = (worker_process.set_up, (self._environment,))
        executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), *set_up)
        worker = self._workers[slot] = _Worker(executor)
        with _starting():
            self._submit(slot, worker_process.begin, self._baggage, self._devices[slot])
        worker.process = next(iter(vars(executor)["_processes"].values()), None)

    def submit(self, slot: int, method: str, *arguments: Any) -> None:
        """Call the worker in its process."""
        self._submit(slot, worker_process.call, method, *arguments)

    def _submit(self, slot: int, function: Callable[..., Progress], *arguments: Any) -> None:
        worker = self._workers[slot]
        try:
            worker.call = worker.executor.submit(function, *arguments)
        except (BrokenProcessPool, OSError) as error:
            # It died between two calls; or no memory, or too many processes.
            worker.call = Future()
            worker.call.set_exception(error)

    def wait(self, seconds: float) -> list[tuple[int, Progress | BaseException]]:
        """Wait for a call to end, or a process."""
        calls = {worker.call: slot for slot, worker in self._workers.items() if worker.call}
        if not calls:
            time.sleep(seconds)
        ended, _ = wait(calls, seconds, FIRST_COMPLETED)
        if not ended:
            # An executor whose process died while a call came may not notice the call.
            ended = {c for c, slot in calls.items() if self._workers[slot].exit_code is not None}
        ended |= {c for c, slot in calls.items() if self._workers[slot].lingers}
        return [(calls[call], self._result(calls[call], call)) for call in ended]

    def stopped(self, slot: int) -> bool:
        """Whether the system has it as stopped."""
        process = self._workers[slot].process
        try:
            text = Path(f"/proc/{process and process.pid}/stat").read_text("ascii", "replace")
        except OSError:  # it has ended; or the system has no such file
            return False
        return text.rpartition(")")[2].split()[0] in ("T", "t")

    def kill(self, slot: int) -> None:
        """Kill the process."""
        self._workers[slot].kill()

    def close(self) -> None:
        """Kill all processes, and wait for their end."""
        everyone = [*self._replaced, *self._workers.values()]
        for worker in everyone:
            worker.kill()
        for worker in everyone:
            worker.end()

    def _result(self, slot: int, call: Future[Progress]) -> Progress | BaseException:
        worker = self._workers[slot]
        worker.call = None
        error = call.exception() if call.done() else None
        if isinstance(error, OSError):
            return WorkerDied(f"it cannot be started: {error}")
        if call.done() and not isinstance(error, BrokenProcessPool):
            return error or call.result()
        worker.kill()  # it may be alive still: what it returned could not be read
        worker.end()
        if worker.exit_code is None:
            return WorkerDied("it was killed, and does not end")
        return WorkerDied(f"exit code {worker.exit_code}")


@contextmanager
def _starting() -> Iterator[None]:
    """Around the start of a process.

    It runs nothing of the user's script, which may have no ``if __name__ == "__main__"``, and no
    Ctrl-C ends it before it can leave that to the command.
    """
    main = sys.modules["__main__"]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
