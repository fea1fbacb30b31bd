"""The scheduler: has the workers of a pool do what tasks are missing, and loses none of it.

Each worker has one call in flight. Its result brings progress, and what the next one should bring.
What a worker has made is read from the workspace once it has left a task, or died.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.task import Task
from synpic.engine.workers.deadlines import SHORTEST, Deadlines
from synpic.engine.workers.leases import IN_A_ROW, Call, Leases
from synpic.engine.workers.worker import Progress, Unable, WorkerDied
from synpic.errors import StorageError
from synpic.hub.retry import patience_of_readers
from synpic.readers.display import duration

__all__ = ["Scheduler", "WorkerPool", "run_workers"]

TURN = 0.5
"""Seconds that calls are waited for before anything else is looked at."""
SECONDS_BETWEEN_LOOKS = 20.0
"""After which parts of other commands are looked for."""


class WorkerPool(Protocol):
    """Workers in slots, numbered from 0: processes here, or actors of a cluster."""

    @property
    def slots(self) -> int:
        """The number of slots."""

    @property
    def late(self) -> float:
        """Seconds in which the workspace may not show here what a worker wrote."""

    def start(self, slot: int) -> None:
        """Start a worker in this slot, or replace the one that was there: its first call."""

    def submit(self, slot: int, method: str, *arguments: Any) -> None:
        """Call a method of :class:`~synpic.engine.workers.worker.Worker` in this slot."""

    def wait(self, seconds: float) -> list[tuple[int, Progress | BaseException]]:
        """Calls that have ended, by slot, with what they returned or raised.

        Waits for one at most ``seconds``. A worker that has died raises :class:`WorkerDied`.
        """

    def stopped(self, slot: int) -> bool:
        """Whether the worker in this slot is known not to run: a signal has stopped it."""

    def kill(self, slot: int) -> None:
        """End the worker in this slot at once; a call in flight then raises."""

    def close(self) -> None:
        """End all workers at once, and wait for their end."""


def run_workers(
    pool: WorkerPool,
    stage: str,
    tasks: Sequence[Task],
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    together: bool = False,
    deadline: float = SHORTEST,
    remarks: Iterable[str] = (),
) -> Report:
    """Do everything that ``tasks`` are missing with the workers of ``pool``, and close it.

    Args:
        deadline: seconds that are never too long for a call.
        remarks: of the pool, to be reported first.
        stage, listener, stop, together: as for :func:`synpic.engine.run.run_tasks`.

    Raises:
        StorageError: the disk is full, or stays away; what was made before is kept.
    """
    stop = stop or threading.Event()
    try:
        leases = Leases(tasks, pool.slots, together, listener)
        for remark in remarks:
            leases.remark(None, remark)
        scheduler = Scheduler(pool, leases, deadline)
        scheduler.start()
        while leases.busy:
            if stop.is_set():
                scheduler.stop()
            scheduler.turn()
    finally:
        pool.close()
    report = Report(stage, leases.outcomes(), remarks=leases.remarks)
    report.stopped = stop.is_set() and not report.nothing_left(len(tasks))
    return report


class Scheduler:
    """Calls the workers of ``pool`` with what ``leases`` has for them.

    Args:
        deadline: seconds that are never too long for a call.
        clock: seconds, from anywhere, that never go back.
    """

    def __init__(
        self,
        pool: WorkerPool,
        leases: Leases,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._leases, self._clock = pool, leases, clock
        self._slots = leases.slots
        self._deadlines = Deadlines(deadline, patience_of_readers().limit, clock)
        self._looked = clock()
        self._ended: list[tuple[float, int, Progress | BaseException]] = []
        """Results of calls, with the time at which the workspace shows what they wrote."""

    def start(self) -> None:
        """Start a worker in every slot."""
        for number in range(len(self._slots)):
            self._start(number)

    def turn(self) -> None:
        """Take the results of calls that have ended, and begin others."""
        for number, result in self._pool.wait(TURN):
            due = self._clock() + (0.0 if isinstance(result, Progress) else self._pool.late)
            self._ended.append((due, number, result))
            self._deadlines.end(number, result.batches if isinstance(result, Progress) else {})
        ended, self._ended = self._ended, []
        for due, number, result in ended:
            if due <= self._clock() or self._leases.stopping:
                self._take(number, result)
            else:
                self._ended.append((due, number, result))
        for number, seconds in self._deadlines.late(self._pool.stopped):
            silent = f"nothing was heard of it for {duration(seconds)}"
            self._slots[number].late = f"{silent}, and it was killed"
            self._pool.kill(number)
        if self._clock() - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._leases.look_around()
            self._looked = self._clock()
        if self._leases.error is not None:
            self.stop()
        for number, slot in enumerate(self._slots):
            if slot.call is None and not slot.empty:
                self._next_call(number)

    def stop(self) -> None:
        """Lease nothing more, and have each worker write what it has made."""
        if self._leases.stopping:
            return
        self._leases.stopping = True
        for number, slot in enumerate(self._slots):
            if slot.call == "open":  # it has made nothing yet
                self._pool.kill(number)

    def _start(self, number: int) -> None:
        self._pool.start(number)
        self._begin(number, "start")

    def _begin(self, number: int, call: Call) -> None:
        slot = self._slots[number]
        slot.call = call
        self._deadlines.begin(number, slot.leases if call in ("work", "finish") else ())

    def _next_call(self, number: int) -> None:
        slot, leases = self._slots[number], self._leases
        arguments: tuple[Any, ...] = ()
        if not (leases.stopping or slot.leases):
            leases.assign(number)
        if not slot.leases:
            if not leases.of_use(number):
                slot.empty = True
                self._pool.kill(number)
            return  # else what other workers have may come back
        if leases.stopping:
            call: Call = "finish"
        elif slot.to_open:
            call, task = "open", next(iter(slot.to_open))
            queue = leases.queues[task]
            arguments = task, slot.to_open[task], queue.proven
            leases.progress.opening(number, task)
        else:
            call = "work"
            arguments = (leases.lease(number, slot.last.wants, slot.last.samples),)
        self._pool.submit(number, call, *arguments)
        self._begin(number, call)

    def _take(self, number: int, result: Progress | BaseException) -> None:
        slot = self._slots[number]
        call, slot.call = slot.call, None
        if isinstance(result, Progress):
            self._note(number, call, result)
            return
        if not isinstance(result, WorkerDied):
            self._pool.kill(number)
        if isinstance(result, Unable):
            # A disk that was away for a moment is no reason to do without this slot.
            slot.empty |= not isinstance(result.error, StorageError)
            if result.everywhere:
                self._leases.fail(result.error)
                self.stop()
            self._lost(number, call, result.error.message, died=False)
        else:
            self._lost(number, call, slot.late or str(result) or type(result).__name__)

    def _note(self, number: int, call: Call | None, progress: Progress) -> None:
        slot = self._slots[number]
        slot.last = progress
        if call == "open":
            del slot.to_open[next(iter(slot.to_open))]
        for task, event in progress.events.items():
            self._leases.progress.note(number, task, event)
        for ended in progress.ended:
            if ended.put_off:
                slot.apart.add(ended.task)
            if ended.broken is not None:
                slot.broken[ended.task] = ended.broken
                left = f"worker {number + 1} left it: {ended.broken.message}"
                self._leases.remark(ended.task, left)
            self._leases.leave(number, ended.task, ended.parts)
        if call == "finish":
            for task in list(slot.leases):  # it was not opened yet
                self._leases.leave(number, task)

    def _lost(self, number: int, call: Call | None, how: str, died: bool = True) -> None:
        """The worker in this slot is gone; another takes its place where it is of use.

        Args:
            died: without a reason of its own: what it worked on may be why.
        """
        slot, leases = self._slots[number], self._leases
        leases.last_death, slot.late = how, None
        tasks = list(slot.leases)
        if not (died and tasks):
            slot.deaths[None] += 1
        opened = next(iter(slot.to_open), None) if call == "open" else None
        for task in tasks:
            at_it = died and (opened is None or (opened == task and not leases.stopping))
            leases.leave(number, task, how=how, died=at_it, opening=opened is not None)
        slot.to_open, slot.last = {}, Progress()
        slot.empty |= slot.deaths[None] >= IN_A_ROW or not leases.of_use(number)
        if not leases.stopping:
            then = "it is not replaced" if slot.empty else "another takes its place"
            leases.remark(tasks[0] if tasks else None, f"worker {number + 1} ended: {how}; {then}")
        if not slot.empty:
            self._start(number)
