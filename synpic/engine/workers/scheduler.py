"""The scheduler: has the workers of a pool do what tasks are missing, and loses none of it.

Each worker has one call in flight. Its result brings progress, and what the next one should bring.
What a worker has made is read from the workspace once it has left a task, or died.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from synpic.engine.progress import Event, Listener
from synpic.engine.report import Report
from synpic.engine.task import Task
from synpic.engine.workers.deadlines import SHORTEST, Deadlines
from synpic.engine.workers.leases import IN_A_ROW, OPENINGS, PAUSE, Leases
from synpic.engine.workers.slot import Call
from synpic.engine.workers.worker import Progress, Unable, Want
from synpic.engine.workers.worker_pool import WorkerDied, WorkerPool
from synpic.errors import StorageError
from synpic.hub.retry import patience_of_readers
from synpic.readers.display import duration

__all__ = ["Scheduler", "run_workers"]

TURN = 0.5
"""Seconds that calls are waited for before anything else is looked at."""
SECONDS_BETWEEN_LOOKS = 20.0
"""After which parts of other commands are looked for."""


def run_workers(
    pool: WorkerPool,
    stage: str,
    tasks: Sequence[Task],
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    together: bool = False,
    deadline: float = SHORTEST,
) -> Report:
    """Do everything that ``tasks`` are missing with the workers of ``pool``, and close it.

    Args:
        deadline: seconds that are never too long for a call.
        stage, listener, stop, together: as for :func:`synpic.engine.run.run_tasks`.

    Raises:
        StorageError: the disk is full, or stays away; what was made before is kept.
    """
    stop = stop or threading.Event()
    try:
        leases = Leases(tasks, pool.slots, together, listener, pool.late)
        scheduler = Scheduler(pool, leases, deadline)
        scheduler.start()
        while scheduler.busy:
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

    @property
    def busy(self) -> bool:
        """Whether a worker has work, or will get some."""
        if any(slot.leases for slot in self._slots):
            return True
        return self._leases.waiting and not all(slot.empty for slot in self._slots)

    def start(self) -> None:
        """Start a worker in every slot."""
        for number in range(len(self._slots)):
            self._start(number)

    def turn(self) -> None:
        """Take the results of calls that have ended, and begin others."""
        for number, result in self._pool.wait(TURN):
            self._take(number, result)
        for number, seconds in self._deadlines.late(self._pool.stopped):
            silent = f"nothing was heard of it for {duration(seconds)}"
            self._slots[number].late = f"{silent}, and it was killed"
            self._pool.kill(number)
        between = PAUSE if self._leases.in_trouble else SECONDS_BETWEEN_LOOKS
        if self._clock() - self._looked >= between:
            self._leases.look_around()
            self._looked = self._clock()
        self._leases.settle()
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
        if not (leases.stopping or slot.leases):
            leases.assign(number)
        if not slot.leases and (leases.stopping or not leases.of_use(number)):
            slot.empty = True
            self._pool.kill(number)
        elif not slot.leases:
            # What others have may come back. It has a call in flight meanwhile, so that its death
            # is seen, and is not taken for one at what it would open next.
            self._pool.submit(number, "rest")
            self._begin(number, "rest")
        elif leases.stopping:
            self._pool.submit(number, "finish")
            self._begin(number, "finish")
        elif slot.to_open:
            self._open(number, slot.to_open[0])
        else:
            wanted = [want for want in slot.wants if want.task in slot.leases]
            self._pool.submit(number, "work", {want: leases.lease(number, want) for want in wanted})
            self._begin(number, "work")

    def _open(self, number: int, task: int) -> None:
        queue = self._leases.queues[task]
        chunk = self._leases.lease(number, Want(task))
        self._pool.submit(number, "open", task, chunk, queue.proven)
        self._begin(number, "open")
        of = queue.task
        event = Event(of.stage, of.name, "opening", 0, queue.left, size=of.size)
        self._leases.progress.note(number, task, event)

    def _take(self, number: int, result: Progress | BaseException) -> None:
        slot = self._slots[number]
        call, slot.call = slot.call, None
        self._deadlines.end(number, result.batches if isinstance(result, Progress) else {})
        if isinstance(result, Progress):
            self._note(number, call, result)
        elif isinstance(result, WorkerDied):
            self._lost(number, call, slot.late or result.how)
        elif isinstance(result, Unable):
            self._pool.kill(number)
            slot.troubles += 1
            # A disk that was away for a moment is no reason to do without this slot.
            slot.empty |= not isinstance(result.error, StorageError) or slot.troubles >= IN_A_ROW
            if result.everywhere:
                self._leases.fail(result.error)
                self.stop()
            self._lost(number, call, result.error.message, died=False)
        else:
            self._pool.kill(number)
            self._lost(number, call, str(result) or type(result).__name__)

    def _note(self, number: int, call: Call | None, progress: Progress) -> None:
        slot = self._slots[number]
        if call == "open":
            slot.deaths[None] = 0
            slot.openings[slot.to_open.pop(0)] = 0
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
        slot.wants = progress.wants
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
        opening = slot.to_open[0] if call == "open" and not leases.stopping else None
        if died and not tasks:
            slot.deaths[None] += 1
        if died and opening is not None:
            slot.openings[opening] += 1
            if slot.openings[opening] >= OPENINGS:
                leases.give_up(number, opening, OPENINGS, "died opening it", how)
        for task in tasks:
            # A death while something is opened is not the batches' fault.
            leases.leave(number, task, died=died and call in ("work", "finish"), how=how)
        slot.to_open, slot.wants = [], []
        slot.empty |= slot.deaths[None] >= IN_A_ROW
        slot.empty |= leases.stopping or not leases.of_use(number)
        if not leases.stopping:
            then = "it is not replaced" if slot.empty else "another takes its place"
            leases.remark(tasks[0] if tasks else None, f"worker {number + 1} ended: {how}; {then}")
        if not slot.empty:
            self._start(number)
