"""The task queue: batches of one task that wait, are leased to a worker, or are done.

What is done is read from the workspace, never from what a worker reports.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Sequence

from synpic.engine.report import Outcome
from synpic.engine.task import Item, Key, Task
from synpic.engine.workers.worker import Chunk
from synpic.errors import SynpicError
from synpic.workspace import Workspace

__all__ = ["DEATHS", "TaskQueue"]

DEATHS = 3
"""A batch that this number of workers died with is not leased again."""
PARTS = 8
"""Parts in a chunk, at most."""
SIGHT = 30.0
"""Seconds in which a shared file system shows a new file to another machine."""


class TaskQueue:
    """Batches of ``task``, by their numbers.

    The task's ``todo`` is what is not known to be done.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._waiting = [n for n, batch in enumerate(task.batches) if task.missing(batch)]
        self._rows_waiting: int | None = None
        self._from = 0
        self._there: set[Key] = set()
        self._failed: set[Key] = set()
        self._leased: set[Key] = set()
        self._asked: dict[int, int] = {}
        self.others = 0
        """How many images other commands were seen to have made."""
        self._deaths: Counter[int] = Counter()

    @property
    def waiting(self) -> int:
        """How many images wait in batches that may be leased with others."""
        if self._rows_waiting is None:
            sound = (n for n in self._waiting if not self.suspect(n))
            self._rows_waiting = sum(len(self.task.batches[n]) for n in sound)
        return self._rows_waiting

    @property
    def suspects(self) -> list[int]:
        """Batches that wait and may kill a worker: each is to be tried alone."""
        return [n for n in self._waiting if self.suspect(n)]

    @property
    def left(self) -> int:
        """Images that are not known to be done."""
        return len(self.task.todo)

    @property
    def watched(self) -> bool:
        """Whether the workspace may come to hold anything of it that is not known yet."""
        return bool(self.task.todo or self._failed)

    @property
    def known(self) -> int:
        """Images of which the workspace was seen to hold the result."""
        return len(self.task.ours) - len(self.task.todo)

    @property
    def proven(self) -> bool:
        """Whether it has worked, before or in this run."""
        return self.task.opener.proven or bool(self._there)

    def suspect(self, number: int) -> bool:
        """Whether one more death would mark this batch as failed."""
        return self._deaths[number] >= DEATHS - 1

    def next_chunk(self, workers: int) -> list[int]:
        """Take neighbouring batches, from where the last chunk ended.

        They are enough for texts to be encoded ahead; at most a part's rows once a worker has
        died, so that few are to blame for the next death; and few towards the end, so that all
        workers end at about the same time. Batches of the same prompts stay together.

        Args:
            workers: that share the task.
        """
        rows = self.task.output.part_rows * (1 if self._deaths else PARTS)
        ample = max(1, min(rows, self.waiting // (4 * max(1, workers))))
        chunk: list[int] = []
        size = 0
        for number in self._in_order():
            if self.suspect(number):
                continue
            batch = self.task.batches[number]
            if chunk and (
                number < chunk[-1]
                or size + len(batch) > rows
                or (size + len(batch) > ample and not self._alike(chunk[-1], number))
            ):
                break
            chunk.append(number)
            size += len(batch)
        return self._take(chunk)

    def within(self, spans: Iterable[tuple[int, int]]) -> list[int]:
        """Take the batches that begin in one of ``spans`` of positions."""
        first = [_position(self.task.batches[n], 0) for n in self._waiting]
        found = [
            number
            for low, high in spans
            for number in self._waiting[bisect_left(first, low) : bisect_left(first, high + 1)]
        ]
        return self._take([number for number in found if not self.suspect(number)])

    def take(self, number: int) -> list[int]:
        """Take this one."""
        return self._take([number])

    def spans(self, chunk: Iterable[int]) -> list[tuple[int, int]]:
        """Positions, in the list of what is wanted, of the first and last row of each batch."""
        batches = (self.task.batches[number] for number in chunk)
        return [(_position(batch, 0), _position(batch, -1)) for batch in batches]

    def lease(self, chunk: Iterable[int]) -> Chunk:
        """What a worker gets for ``chunk``, which is then its lease."""
        batches: list[list[Item]] = []
        todo = set[Key]()
        for number in chunk:
            batch = self.task.batches[number]
            keys = set(map(self.task.key_of, self.task.missing(batch)))
            self._asked[number] = len(keys)
            batches.append(batch)
            todo |= keys
        self._leased |= todo
        return Chunk(batches, todo)

    def samples(self, number: int) -> list[int]:
        """Take this many from anywhere; the others stay in order."""
        goes_on_from = self._from
        taken: list[int] = []
        while len(taken) < number and (sound := [n for n in self._waiting if not self.suspect(n)]):
            taken += self._take([random.choice(sound)])
        self._from = goes_on_from
        return taken

    def look(self, parts: Iterable[str] = ()) -> bool:
        """See what the workspace has come to hold; whether another command made any of it.

        Args:
            parts: that our workers wrote. Each is waited for, but not for ever: a shared file
                system shows a file late to other machines, and a folder's listing later still.

        Raises:
            WorkspaceError: it cannot be read.
        """
        task = self.task
        until = time.monotonic() + SIGHT
        seen = [part for part in parts if _appears(task.output.workspace, part, until)]
        own_parts = [part for part in seen if part.startswith(f"{task.output.folder}/")]
        rows = task.new_rows(own_parts)
        written = task.todo.intersection(rows)
        # What failed here, another command has made.
        made_all_the_same = self._failed.intersection(rows)
        self._failed -= made_all_the_same
        self._leased -= made_all_the_same
        failed = set[Key]()
        if names := task.failures.since(part for part in seen if part not in own_parts):
            failed = {key for key in task.todo if task.name_of(key) in names} - written
        self._there |= written
        self._failed |= failed
        task.todo -= written | failed
        others = len(written - self._leased)
        self.others += others
        return others > 0

    def requeue(self, numbers: Iterable[int], died: bool = False) -> int:
        """These are no longer leased: what is not done waits again. Look first.

        Args:
            died: the worker that leased them has.

        Returns:
            How many of the images that were asked for are done.
        """
        done = 0
        self._rows_waiting = None
        for number in numbers:
            batch = self.task.batches[number]
            missing = self.task.missing(batch)
            done += self._asked.pop(number, len(missing)) - len(missing)
            if missing:
                self._leased.difference_update(map(self.task.key_of, missing))
                if died:
                    self._deaths[number] += 1
                insort(self._waiting, number)
        return done

    def mark_failed(self, why: str) -> int:
        """Write failure rows for what too many workers died with.

        Returns:
            How many images.

        Raises:
            WorkspaceError: they cannot be written; nothing is marked.
        """
        marked = 0
        for number in [n for n in self._waiting if self._deaths[n] >= DEATHS]:
            missing = self.task.missing(self.task.batches[number])
            reason = f"{DEATHS} workers died while they ran it, the last one by {why}"
            self.task.failures.write_now({item.candidate_id: reason for item in missing})
            self._waiting.remove(number)
            self._rows_waiting = None
            keys = set(map(self.task.key_of, missing))
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
        made, failed = self._there & self._leased, self._failed & self._leased
        return Outcome(
            self.task.name,
            self.task.counts.wanted,
            already=self.task.counts.already,
            made=len(made),
            failed=len(failed),
            by_others=self.known - len(made) - len(failed),
            broken=broken,
            size=self.task.size,
            failed_before=self.task.counts.failed_before,
            other_shards=self.task.other_shards,
        )

    def _in_order(self) -> Iterable[int]:
        start = bisect_left(self._waiting, self._from)
        return [*self._waiting[start:], *self._waiting[:start]]

    def _take(self, chunk: list[int]) -> list[int]:
        taken = set(chunk)
        self._rows_waiting = None
        self._waiting = [n for n in self._waiting if n not in taken]
        if chunk:
            self._from = chunk[-1] + 1
        # Another command may have done it meanwhile.
        return [n for n in chunk if self.task.missing(self.task.batches[n])]

    def _alike(self, one: int, other: int) -> bool:
        first, second = self.task.batches[one][0], self.task.batches[other][0]
        return bool(first.prompt_id) and first.prompt_id == second.prompt_id


def _appears(workspace: Workspace, part: str, until: float) -> bool:
    while not workspace.store.exists(part):
        if time.monotonic() > until:
            return False
        time.sleep(1)
    return True


def _position(batch: Sequence[Item], place: int) -> int:
    return batch[place].position
