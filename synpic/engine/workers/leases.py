"""Leases: which worker has which batches of which task, and their results.

Nothing is started here and no worker is called; that is the scheduler's part.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

from synpic.engine.progress import Listener
from synpic.engine.report import Outcome
from synpic.engine.running_task import SAMPLES
from synpic.engine.task import Task
from synpic.engine.workers.combined import CombinedProgress
from synpic.engine.workers.slot import Lease, OrphanedLease, Slot
from synpic.engine.workers.task_queue import TaskQueue
from synpic.engine.workers.worker import Chunk, Want
from synpic.errors import SynpicError, WorkspaceError

__all__ = ["IN_A_ROW", "OPENINGS", "PAUSE", "TROUBLES", "Leases"]

PAUSE = 5.0
"""Seconds after which a workspace that could not be read is tried again. Reads that fail sooner, of
other tasks, are the same trouble, and are not counted."""
TROUBLES = 6
"""Failed reads of the workspace in a row after which the run ends."""
OPENINGS = 2
"""A task is not opened again in a slot where this number of workers died opening it."""
IN_A_ROW = 4
"""Nor where this number in a row died at it with nothing done. A slot whose workers die so often
before they have a task is left empty."""


class Leases:
    """Batches of ``tasks`` in the queues, with the workers of ``slots``, or orphaned.

    A worker stays with the tasks that it has open while there is work for it. One without gets the
    task with most work left for each worker that is at it.

    Args:
        slots: how many.
        together: all tasks are open at once in each worker, and what one does of an image, it does
            for all of them.
        listener: is called with progress.
        late: seconds in which the workspace may not show what a worker that died has written.
        clock: seconds, from anywhere, that never go back.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        slots: int,
        together: bool = False,
        listener: Listener | None = None,
        late: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queues = [TaskQueue(task) for task in tasks]
        self.slots = [Slot() for _ in range(slots)]
        self.progress = CombinedProgress(self.queues, listener)
        self._together, self._late, self._clock = together, late, clock
        self._orphaned: list[OrphanedLease] = []
        self._troubles, self._trouble_since = 0, -math.inf
        self.stopping = False
        """Whether leasing has ended."""
        self.error: SynpicError | None = None
        """What no worker can go on after."""
        self.last_death = "none could be started"
        """How the last worker ended."""
        self.remarks: list[str] = []
        """What happened to workers."""

    @property
    def waiting(self) -> bool:
        """Whether there is, or may be soon, work that no worker has."""
        waiting = (queue.waiting or queue.suspects for queue in self.queues)
        return not self.stopping and bool(self._orphaned or any(waiting))

    def assign(self, number: int) -> None:
        """Lease first chunks of tasks that the worker in this slot should open now."""
        slot = self.slots[number]
        while not slot.leases and (tasks := self._pick(number)):
            slot.leases |= {task: slot.leases.get(task, Lease()) for task in tasks}
            for task in tasks:
                self._fill(number, task)
            slot.leases = {task: lease for task, lease in slot.leases.items() if lease.ahead}
            slot.to_open = list(slot.leases)

    def lease(self, number: int, want: Want) -> Chunk:
        """What the worker in this slot wants, which is then its lease; empty if there is none."""
        slot, queue = self.slots[number], self.queues[want.task]
        lease = slot.leases[want.task]
        if want.samples:
            chunk = [] if slot.alone else queue.samples(SAMPLES)
        else:
            self._fill(number, want.task)
            chunk, lease.ahead = lease.ahead, []
        lease.sent += chunk
        return queue.lease(chunk)

    def look_around(self) -> None:
        """See what other commands have made, and go on elsewhere than they do."""
        found = [self._look(queue) for queue in self.queues]
        if any(found):
            place = random.random()  # the same for all: rewards look at the same images
            for queue, foreign in zip(self.queues, found, strict=True):
                if foreign:
                    queue.reposition(place)

    def leave(
        self,
        number: int,
        task: int,
        parts: tuple[str, ...] = (),
        died: bool = False,
        how: str = "",
    ) -> None:
        """The worker in slot ``number`` has left ``task``.

        Args:
            parts: names of those that it is known to have written.
            died: in a call on the batches, which may be why.
            how: it ended, if it has.
        """
        lease = self.slots[number].leases.pop(task, None)
        if lease is not None:
            due = self._clock() + (self._late if how else 0.0)
            self._orphaned.append(OrphanedLease(number, task, lease, due, parts, died, how))
            self.settle()

    def settle(self) -> None:
        """Of orphaned leases, take as done what the workspace has, and requeue the rest."""
        for one in [one for one in self._orphaned if one.due <= self._clock()]:
            if self._look(self.queues[one.task], one.parts) is None:
                one.due = self._clock() + PAUSE
                continue
            self._orphaned.remove(one)
            self._divide(one)

    def fail(self, error: SynpicError) -> None:
        """No worker can go on."""
        self.error = self.error or error

    def give_up(self, number: int, task: int, times: int, what: str, how: str) -> None:
        """No longer lease ``task`` to this slot.

        Args:
            times: how many workers died there; ``what``: they did; ``how``: the last one ended.
        """
        error = self.slots[number].broken[task] = self.queues[task].task.opener.error(
            f"{times} workers {what}, the last one by {how}",
            hint="the system's log tells more; memory of the host is the usual cause: try fewer "
            "workers",
        )
        self.remark(task, f"worker {number + 1} does not take it up again: {error.message}")

    def remark(self, task: int | None, what: str) -> None:
        """Report what happened to a worker, at once and in :attr:`remarks`.

        Args:
            task: that it worked on.
        """
        if task is None:  # of no task: shown with what is to be done next
            left = (number for number, queue in enumerate(self.queues) if queue.left)
            self.remarks.append(what)
            self.progress.send_news(next(left, 0), what)
        else:
            self.remarks.append(f"{self.queues[task].task.label}: {what}")
            self.progress.send_news(task, what)

    @property
    def in_trouble(self) -> bool:
        """Whether the workspace could not be read when it was last looked at."""
        return self._troubles > 0

    def outcomes(self) -> list[Outcome]:
        """The result of each task, as the workspace has it; when all workers have ended.

        Raises:
            SynpicError: no worker could go on: the disk is full, or the workspace away.
        """
        outcomes: list[Outcome] = []
        for task, queue in enumerate(self.queues):
            parts = [name for one in self._orphaned if one.task == task for name in one.parts]
            while self.error is None and self._look(queue, parts) is None:
                time.sleep(PAUSE)
            if self.error is not None:
                raise self.error
            broken = None
            errors = [slot.broken[task] for slot in self.slots if task in slot.broken]
            if queue.left and not self.stopping:
                broken = errors[-1] if errors else self._deserted(queue.task)
            elif queue.left and len(errors) == len(self.slots):
                broken = errors[-1]
            if broken is not None or not queue.left:
                self.progress.end(task, broken.message if broken else None)
            outcomes.append(queue.outcome(broken))
        return outcomes

    def _fill(self, number: int, task: int) -> None:
        """Lease a chunk that is sent next; of other tasks of the worker, the same images."""
        slot, queue = self.slots[number], self.queues[task]
        while not slot.leases[task].ahead and not slot.alone:
            workers = sum(task not in one.broken and not one.empty for one in self.slots)
            chunk = queue.next_chunk(workers)
            if not chunk and not queue.waiting:
                break
            slot.leases[task].ahead += chunk
            spans = queue.spans(chunk)
            for other, lease in slot.leases.items():
                if other != task:
                    lease.ahead += self.queues[other].within(spans)

    def _pick(self, number: int) -> tuple[int, ...]:
        """The tasks that the worker in this slot should open now."""
        slot = self.slots[number]
        slot.alone = False
        mine = [task for task in range(len(self.queues)) if task not in slot.broken]
        sound = [task for task in mine if self.queues[task].waiting]
        if self._together:
            beside = tuple(task for task in sound if task not in slot.apart)
            if beside:
                return beside
        if sound:
            return (max(sound, key=self._for_each),)
        for task in mine:
            for suspect in self.queues[task].suspects[:1]:
                slot.alone = True
                slot.leases[task] = Lease(ahead=self.queues[task].take(suspect))
                return (task,)
        return ()

    def _for_each(self, task: int) -> float:
        """How much work is left for each worker at a task, with one more."""
        at_it = sum(task in slot.leases for slot in self.slots)
        return self.queues[task].waiting / (at_it + 1)

    def of_use(self, number: int) -> bool:
        """Whether there is, or may yet be, work for this slot."""
        slot = self.slots[number]
        return any(
            task not in slot.broken
            and (
                queue.waiting
                or queue.suspects
                or any(task in other.leases for other in self.slots if other is not slot)
                or any(task == one.task for one in self._orphaned)
            )
            for task, queue in enumerate(self.queues)
        )

    def _divide(self, orphaned: OrphanedLease) -> None:
        number, task, lease = orphaned.slot, orphaned.task, orphaned.lease
        slot, queue = self.slots[number], self.queues[task]
        done = queue.requeue(lease.sent, orphaned.died)
        queue.requeue(lease.ahead)
        if done:
            slot.deaths[task] = slot.troubles = 0
        elif orphaned.died:
            slot.deaths[task] += 1
        self.progress.settle(number, task, done)
        try:
            self.progress.mark_failed(task, queue.mark_failed(orphaned.how))
        except WorkspaceError as error:
            # No worker could write either; each ends in order, and keeps what it has.
            self.fail(error)
        if slot.deaths[task] >= IN_A_ROW and task not in slot.broken:
            self.give_up(number, task, IN_A_ROW, "in a row died at it", orphaned.how)
        if not queue.left and not any(task in one.leases for one in self.slots):
            self.progress.end(task)

    def _look(self, queue: TaskQueue, parts: Sequence[str] = ()) -> bool | None:
        """As :meth:`TaskQueue.look`; None if the workspace cannot be read now."""
        if not queue.watched:
            return False
        try:
            found = queue.look(parts)
        except WorkspaceError as error:
            now = self._clock()
            if now - self._trouble_since >= PAUSE:
                self._troubles, self._trouble_since = self._troubles + 1, now
            if self._troubles >= TROUBLES:
                self.fail(error)
            return None
        self._troubles, self._trouble_since = 0, -math.inf
        return found

    def _deserted(self, task: Task) -> SynpicError:
        return task.opener.error(
            f"no worker is left to do the rest: {self.last_death}",
            hint="everything made before is kept, and the same command goes on from there; look "
            "above, and into the system's log, for why they ended",
        )
