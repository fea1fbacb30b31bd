"""A worker pool of threads, for tests: without the seconds that processes take to start.

Tasks, arguments and results are pickled as on any way between processes.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from synpic.engine.task import Task
from synpic.engine.workers.worker import Progress, Worker, WorkerDied, baggage


class Dies(BaseException):
    """Ends a worker on the spot, as a signal would."""


class Threads:
    """Workers as threads.

    Args:
        started: which slots were taken, in order.
        calls: methods that were called, with the slot and what came of it.
    """

    def __init__(self, tasks: Sequence[Task], slots: int) -> None:
        self.slots = slots
        self.late = 0.0
        self.started: list[int] = []
        self.calls: list[tuple[int, str, Progress | BaseException]] = []
        self._baggage = baggage(tasks)
        self._workers: dict[int, Worker] = {}
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._in_flight: dict[Future[bytes], tuple[int, str]] = {}

    def start(self, slot: int) -> None:
        self.started.append(slot)
        self._threads[slot] = ThreadPoolExecutor(1)
        self._in_flight[self._threads[slot].submit(self._begin, slot)] = slot, "begin"

    def submit(self, slot: int, method: str, *arguments: Any) -> None:
        given = pickle.dumps(arguments)
        call = self._threads[slot].submit(self._call, self._workers[slot], method, given)
        self._in_flight[call] = slot, method

    def wait(self, seconds: float) -> list[tuple[int, Progress | BaseException]]:
        ended, _ = wait(self._in_flight, seconds, FIRST_COMPLETED)
        return [self._result(call) for call in ended]

    def stopped(self, slot: int) -> bool:
        return False

    def kill(self, slot: int) -> None:
        """Threads cannot be killed; what is in flight has died when it ends."""
        for call, (other, _) in list(self._in_flight.items()):
            if other == slot:
                self._in_flight[call] = slot, "killed"

    def close(self) -> None:
        for thread in self._threads.values():
            thread.shutdown()

    def _begin(self, slot: int) -> bytes:
        tasks, _ = pickle.loads(self._baggage)
        self._workers[slot] = Worker(tasks, "cpu")
        return pickle.dumps(Progress())

    def _call(self, worker: Worker, method: str, arguments: bytes) -> bytes:
        try:
            return pickle.dumps(worker.call(method, *pickle.loads(arguments)))
        except Dies:
            for running in worker._at_work.values():
                running._writer._thread.shutdown()  # the dead write nothing
            raise

    def _result(self, call: Future[bytes]) -> tuple[int, Progress | BaseException]:
        slot, method = self._in_flight.pop(call)
        error = call.exception()
        result: Progress | BaseException
        if isinstance(error, Dies) or method == "killed":
            result = WorkerDied("exit code -9")
        elif error is not None:
            result = pickle.loads(pickle.dumps(error))
        else:
            result = pickle.loads(call.result())
        self.calls.append((slot, method, result))
        return slot, result
