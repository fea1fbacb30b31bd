"""The task queue: batches of one task that wait, are leased to a worker, or are done.

What is done is read from the workspace, never from what a worker reports.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from synpic.engine.report import Outcome
from synpic.engine.task import Item, Key, Task
from synpic.engine.workers.worker import Chunk
from synpic.engine.writing import SIGHT, appears
from synpic.errors import SynpicError

__all__ = ["DEATHS", "Lease", "TaskQueue"]

DEATHS = 3
"""A batch that this number of workers died with is not leased again."""
PARTS = 8
"""Parts in a chunk, at most."""
Lease = dict[int, set[Key]]
"""Batches that are a worker's to do, by number, with what was missing of each."""


class TaskQueue:
    """Batches of ``task``, by their numbers. The task's ``todo`` is what is not known to be done.

    Attributes:
        waiting: batches that may be leased with others, in order.
        suspects: batches that may kill a worker, and wait to be tried alone.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.waiting = [n for n, batch in enumerate(task.batches) if task.missing(batch)]
        self.suspects: list[int] = []
        self.others = 0
        """How many images other commands were seen to have made."""
        self._from = 0
        self._there: set[Key] = set()
        self._failed: set[Key] = set()
        self._leased: set[Key] = set()
        self._deaths: Counter[int] = Counter()

    @property
    def left(self) -> int:
        """Images that are not known to be done."""
        return len(self.task.todo)

    @property
    def proven(self) -> bool:
        """Whether it has worked, before or in this run."""
        return self.task.opener.proven or bool(self._there)

    def next_chunk(self, workers: int) -> list[int]:
        """Take neighbouring batches, from where the last chunk ended.

        They are enough for texts to be encoded ahead; at most a part's rows once a worker has
        died, so that few are to blame for the next death; and few towards the end, so that all
        workers end at about the same time.

        Args:
            workers: that share the task.
        """
        rows = self.task.output.part_rows * (1 if self._deaths else PARTS)
        start = bisect_left(self.waiting, self._from) % max(1, len(self.waiting))
        chunk: list[int] = []
        for number in self.waiting[start : start + max(1, len(self.waiting) // (4 * workers))]:
            rows -= len(self.task.batches[number])
            if chunk and rows < 0:
                break
            chunk.append(number)
        if chunk:
            self._from = chunk[-1] + 1
        return self._take(chunk)

    def within(self, spans: Iterable[tuple[int, int]]) -> list[int]:
        """Take the batches that begin in one of ``spans`` of positions."""
        first = [self.task.batches[n][0].position for n in self.waiting]
        return self._take(
            number
            for low, high in spans
            for number in self.waiting[bisect_left(first, low) : bisect_left(first, high + 1)]
        )

    def samples(self, number: int) -> list[int]:
        """Take this many from anywhere; the others stay in order."""
        return self._take(random.sample(self.waiting, min(number, len(self.waiting))))

    def suspect(self) -> list[int]:
        """Take one that may kill a worker."""
        taken, self.suspects = self.suspects[:1], self.suspects[1:]
        return taken

    def spans(self, chunk: Iterable[int]) -> list[tuple[int, int]]:
        """Positions, in the list of what is wanted, of the first and last row of each batch."""
        batches = (self.task.batches[number] for number in chunk)
        return [(batch[0].position, batch[-1].position) for batch in batches]

    def lease(self, chunk: Iterable[int], lease: Lease) -> Chunk:
        """Add ``chunk`` to a worker's lease; what the worker gets for it."""
        more = {n: {*map(self.task.key_of, self._missing(n))} for n in chunk}
        lease |= more
        todo = {key for keys in more.values() for key in keys}
        self._leased |= todo
        return Chunk([self.task.batches[n] for n in more], todo)

    def look(self, parts: Iterable[str] = ()) -> bool:
        """See what the workspace has come to hold; whether another command made any of it.

        Args:
            parts: that our workers wrote. Each is waited for, but not for ever: a shared file
                system shows a file late to other machines, and a folder's listing later still.

        Raises:
            WorkspaceError: it cannot be read.
        """
        task, until = self.task, time.monotonic() + SIGHT
        workspace = task.output.workspace
        seen = [part for part in parts if appears(workspace, part, until - time.monotonic())]
        own_parts = [part for part in seen if part.startswith(f"{task.output.folder}/")]
        rows = task.output.watcher.new_rows(task.output.key, named=own_parts)
        self._there |= task.ours.intersection(rows)  # now: no row is shown twice
        names = task.failures.since(part for part in seen if part not in own_parts)
        self._failed |= {key for key in task.todo if task.name_of(key) in names} if names else set()
        there = task.todo & self._there
        foreign = (there | (task.todo & self._failed)) - self._leased
        task.todo -= there
        task.todo -= self._failed
        if foreign:
            self.waiting = [n for n in self.waiting if self._missing(n)]
            self.suspects = [n for n in self.suspects if self._missing(n)]
        others = len(foreign & there)
        self.others += others
        return others > 0

    def requeue(self, lease: Mapping[int, set[Key]], died: bool = False) -> int:
        """These are no longer leased: what is not done waits again. Look first.

        Args:
            died: the worker that leased them has, and they may be why.

        Returns:
            How many of the images that were asked for are done.
        """
        done = 0
        for number, keys in lease.items():
            missing = keys & self.task.todo
            done += len(keys) - len(missing)
            if missing:
                self._leased -= missing
                if died:
                    self._deaths[number] += 1
                suspect = self._deaths[number] >= DEATHS - 1
                insort(self.suspects if suspect else self.waiting, number)
        return done

    def mark_failed(self, why: str) -> int:
        """Write failure rows for what too many workers died with.

        Returns:
            How many images.

        Raises:
            WorkspaceError: they cannot be written; nothing is marked.
        """
        marked = 0
        for number in [n for n in self.suspects if self._deaths[n] >= DEATHS]:
            missing = self._missing(number)
            reason = f"{DEATHS} workers died while they ran it, the last one by {why}"
            self.task.failures.write_now({item.candidate_id: reason for item in missing})
            self.suspects.remove(number)
            keys = {*map(self.task.key_of, missing)}
            self._leased |= keys
            self._failed |= keys
            self.task.todo -= keys
            marked += len(keys)
        return marked

    def reposition(self, share: float) -> None:
        """Go on elsewhere, and come round: another command is at work hereabouts."""
        self._from = int(share * len(self.task.batches))

    def outcome(self, broken: SynpicError | None) -> Outcome:
        """The result of all of it."""
        # What failed here another command may have made.
        made = (self._there - self._failed) & self._leased
        failed = (self._failed - self._there) & self._leased
        return replace(
            self.task.outcome(),
            made=len(made),
            failed=len(failed),
            by_others=len(self.task.ours) - self.left - len(made) - len(failed),
            broken=broken,
        )

    def _take(self, chunk: Iterable[int]) -> list[int]:
        chunk = list(chunk)
        taken = set(chunk)
        self.waiting = [n for n in self.waiting if n not in taken]
        return chunk

    def _missing(self, number: int) -> list[Item]:
        return self.task.missing(self.task.batches[number])
