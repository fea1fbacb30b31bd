"""Leases: which worker has which batches of which task, and their results.

Nothing is started here and no worker is called; that is the scheduler's part.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from synpic.engine.progress import Listener
from synpic.engine.report import Outcome
from synpic.engine.task import Task
from synpic.engine.workers.combined import CombinedProgress
from synpic.engine.workers.task_queue import Lease, TaskQueue
from synpic.engine.workers.worker import Chunk, Progress
from synpic.errors import SynpicError, WorkspaceError

__all__ = ["IN_A_ROW", "Call", "Leases", "Slot"]

SAMPLES = 2
"""Batches from anywhere in the list that a worker gets at once whose own fail."""
PAUSE = 5.0
"""Seconds after which a workspace that could not be read is tried again."""
TRIES = 6
"""Reads of the workspace that fail in a row, after which the run ends."""
IN_A_ROW = 4
"""A task is not opened again in a slot where this number of workers in a row died at it with
nothing done. A slot whose workers end so often before they have a task is left empty."""


Call = Literal["start", "open", "work", "finish"]


@dataclass
class Slot:
    """A place for a worker; when one dies, another takes it.

    Args:
        call: in flight.
        last: what the call before it returned.
        leases: by task: what it works on.
        to_open: tasks of these that are not open yet, with the first chunks of each.
        alone: it has a suspect batch, and gets no other.
        empty: it has no worker, and gets none any more.
        late: why its worker was killed.
        broken: tasks that did not work here, each with why.
        apart: tasks that this device has no room for beside others.
        deaths: in a row at a task, without anything done; under None, those without a task.
    """

    call: Call | None = None
    last: Progress = field(default_factory=Progress)
    leases: dict[int, Lease] = field(default_factory=dict)
    to_open: dict[int, Chunk] = field(default_factory=dict)
    alone: bool = False
    empty: bool = False
    late: str | None = None
    broken: dict[int, SynpicError] = field(default_factory=dict)
    apart: set[int] = field(default_factory=set)
    deaths: Counter[int | None] = field(default_factory=Counter)


class Leases:
    """Batches of ``tasks``, waiting in queues or leased to the workers of ``slots``.

    A worker stays with the tasks that it has open while there is work for it. One without gets the
    task with most batches left for each worker that is at it.

    Args:
        slots: how many.
        together: all tasks are open at once in each worker, and what one does of an image, it does
            for all of them.
        listener: is called with progress.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        slots: int,
        together: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self.queues = [TaskQueue(task) for task in tasks]
        self.slots = [Slot() for _ in range(slots)]
        self.progress = CombinedProgress(self.queues, listener)
        self._together = together
        self.stopping = False
        """Whether leasing has ended."""
        self.error: SynpicError | None = None
        """What no worker can go on after."""
        self.last_death = "none could be started"
        """How the last worker ended."""
        self.remarks: list[str] = []
        """What happened to workers."""

    @property
    def busy(self) -> bool:
        """Whether a worker has work, or will get some."""
        if any(slot.leases for slot in self.slots):
            return True
        waiting = any(queue.waiting or queue.suspects for queue in self.queues)
        return waiting and not self.stopping and not all(slot.empty for slot in self.slots)

    def assign(self, number: int) -> None:
        """Lease first chunks of tasks that the worker in this slot should open now."""
        slot = self.slots[number]
        mine = [task for task in range(len(self.queues)) if task not in slot.broken]
        sound = [task for task in mine if self.queues[task].waiting]
        tasks = [task for task in sound if self._together and task not in slot.apart]
        if not tasks and sound:
            tasks = [max(sound, key=self._for_each)]
        slot.alone = not tasks
        if tasks:
            slot.leases = {task: {} for task in tasks}
            slot.to_open = self.lease(number, tasks)
        elif suspects := [task for task in mine if self.queues[task].suspects]:
            task, queue = suspects[0], self.queues[suspects[0]]
            slot.leases = {task: {}}
            slot.to_open = {task: queue.lease(queue.suspect(), slot.leases[task])}

    def lease(
        self, number: int, wants: Iterable[int], samples: Iterable[int] = ()
    ) -> dict[int, Chunk]:
        """Chunks for the worker in this slot, by task; an empty one where nothing is left.

        Args:
            wants: tasks whose batches run out; of its other tasks it gets the same images.
            samples: tasks whose batches it gets from anywhere in the list.
        """
        slot = self.slots[number]
        taken: dict[int, list[int]] = {}
        for task in wants:
            if task in taken:
                continue
            workers = sum(task not in one.broken and not one.empty for one in self.slots)
            chunk = [] if slot.alone else self.queues[task].next_chunk(workers)
            spans = self.queues[task].spans(chunk)
            for other in slot.leases if chunk else ():
                if more := chunk if other == task else self.queues[other].within(spans):
                    taken.setdefault(other, []).extend(more)
            taken.setdefault(task, [])
        for task in samples:
            sample = [] if slot.alone else self.queues[task].samples(SAMPLES)
            taken.setdefault(task, []).extend(sample)
        return {
            task: self.queues[task].lease(chunk, slot.leases[task]) for task, chunk in taken.items()
        }

    def look_around(self) -> None:
        """See what other commands have made, and go on elsewhere than they do."""
        found = [queue for queue in self.queues if self._look(queue)]
        place = random.random()  # the same for all: rewards look at the same images
        for queue in found:
            queue.reposition(place)

    def leave(
        self,
        number: int,
        task: int,
        parts: Sequence[str] = (),
        how: str = "",
        died: bool = False,
        opening: bool = False,
    ) -> None:
        """The worker in slot ``number`` has left ``task``: what it has not done waits again.

        Args:
            parts: names of those that it is known to have written.
            how: it ended, if it has.
            died: at this task, which may be why.
            opening: while it opened it, which is not the fault of its batches.
        """
        slot, queue = self.slots[number], self.queues[task]
        lease = slot.leases.pop(task, None)
        if lease is None:
            return
        self._look(queue, parts)
        done = queue.requeue(lease, died and not opening)
        if done:
            slot.deaths[task] = slot.deaths[None] = 0
        elif died:
            slot.deaths[task] += 1
        marked = 0
        try:
            marked = queue.mark_failed(how)
        except WorkspaceError as error:
            # No worker could write either; each ends in order, and keeps what it has.
            self.fail(error)
        self.progress.settle(number, task, done, marked)
        if slot.deaths[task] >= IN_A_ROW and task not in slot.broken:
            broken = slot.broken[task] = queue.task.opener.error(
                f"{IN_A_ROW} workers in a row died at it, the last one by {how}",
                hint="the system's log tells more; memory of the host is the usual cause: try "
                "fewer workers",
            )
            self.remark(task, f"worker {number + 1} does not take it up again: {broken.message}")
        if not queue.left and not any(task in one.leases for one in self.slots):
            self.progress.end(task)

    def fail(self, error: SynpicError) -> None:
        """No worker can go on."""
        self.error = self.error or error

    def remark(self, task: int | None, what: str) -> None:
        """Report what happened to a worker, at once and in :attr:`remarks`.

        Args:
            task: that it worked on.
        """
        self.remarks.append(what if task is None else f"{self.queues[task].task.label}: {what}")
        if task is None:  # shown with what is to be done next
            task = next((number for number, queue in enumerate(self.queues) if queue.left), 0)
        self.progress.send_news(task, what)

    def outcomes(self) -> list[Outcome]:
        """The result of each task, as the workspace has it; when all workers have ended.

        Raises:
            SynpicError: no worker could go on: the disk is full, or the workspace away.
        """
        outcomes: list[Outcome] = []
        for task, queue in enumerate(self.queues):
            self._look(queue)
            if self.error is not None:
                raise self.error
            broken = None
            errors = [slot.broken[task] for slot in self.slots if task in slot.broken]
            if queue.left and (not self.stopping or len(errors) == len(self.slots)):
                broken = errors[-1] if errors else self._deserted(queue.task)
            if broken is not None or not queue.left:
                self.progress.end(task, broken.message if broken else None)
            outcomes.append(queue.outcome(broken))
        return outcomes

    def of_use(self, number: int) -> bool:
        """Whether there is, or may yet be, work for this slot."""
        broken = self.slots[number].broken
        left = any(queue.left and task not in broken for task, queue in enumerate(self.queues))
        return left and not self.stopping

    def _for_each(self, task: int) -> float:
        """How much work is left for each worker at a task, with one more."""
        at_it = sum(task in slot.leases for slot in self.slots)
        return len(self.queues[task].waiting) / (at_it + 1)

    def _look(self, queue: TaskQueue, parts: Sequence[str] = ()) -> bool:
        """As :meth:`TaskQueue.look`, again for a while if the workspace cannot be read."""
        for tries in range(1, TRIES + 1):
            if self.error is not None:
                break
            try:
                return queue.look(parts)
            except WorkspaceError as error:
                if tries == TRIES:
                    self.fail(error)
                else:
                    time.sleep(PAUSE)
        return False

    def _deserted(self, task: Task) -> SynpicError:
        return task.opener.error(
            f"no worker is left to do the rest: {self.last_death}",
            hint="everything made before is kept, and the same command goes on from there; look "
            "above, and into the system's log, for why they ended",
        )
