"""Workers, a workspace and a pool that are simulated: the test chooses what happens when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from synpic.engine.progress import Event
from synpic.engine.report import Outcome
from synpic.engine.task import Item, Key, Opener, Output, Task, TaskCounts
from synpic.engine.workers.leases import Leases
from synpic.engine.workers.scheduler import Scheduler
from synpic.engine.workers.worker import Chunk, Ended, Progress, WorkerDied
from synpic.errors import ModelError, StorageError


@dataclass
class Disk:
    """What a workspace holds of one task. It can be ``away``."""

    there: set[Key] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    twice: list[Key] = field(default_factory=list)
    away: bool = False
    _seen: set[Key] = field(default_factory=set)

    def write(self, keys: set[Key]) -> None:
        self.twice += keys & self.there
        self.there |= keys

    # as a PartWatcher
    def new_rows(self, columns: object, named: object = ()) -> list[Key]:
        if self.away:
            raise StorageError("away")
        new = self.there - self._seen
        self._seen |= new
        return list(new)

    # as a FailureLog
    def since(self, named: object = ()) -> set[str]:
        return set(self.failed)

    def write_now(self, failed: dict[str, str]) -> None:
        self.failed |= failed


def task(
    name: str, batches: int, size: int = 4, part: int = 16, samples: int = 1, done: int = 0
) -> tuple[Task, Disk]:
    disk = Disk()
    rows = [
        [
            Item(
                candidate_id=f"{name}{b}.{i}",
                prompt_id=f"{b // samples}.{i}",
                position=b * size + i,
            )
            for i in range(size)
        ]
        for b in range(batches)
    ]
    keys = [(item.candidate_id,) for batch in rows for item in batch]
    output = Output(
        workspace=None,  # type: ignore[arg-type]
        folder="",
        schema=pa.schema([]),
        key=("candidate_id",),
        part_rows=part,
        note={},
        watcher=disk,  # type: ignore[arg-type]
    )
    opener = Opener(
        lambda device, key: None,  # type: ignore[arg-type, return-value]
        ModelError,
        proven=False,
    )
    made = Task(
        stage="generate",
        name=name,
        output=output,
        opener=opener,
        counts=TaskCounts(len(keys), done),
        batches=rows,
        todo=set(keys[done:]),
        failures=disk,  # type: ignore[arg-type]
    )
    return made, disk


@dataclass
class Worker:
    """Does a batch at each call, and writes now and then; what is not written dies with it."""

    disks: list[Disk]
    queue: dict[int, list[set[Key]]] = field(default_factory=dict)
    unwritten: dict[int, set[Key]] = field(default_factory=dict)
    no_more: set[int] = field(default_factory=set)
    turns: int = 0
    coming: set[Key] = field(default_factory=set)
    """What the call in flight brings."""

    @property
    def holds(self) -> set[tuple[int, Key]]:
        held = {(t, key) for t, keys in self.unwritten.items() for key in keys}
        return held | {(t, k) for t, queue in self.queue.items() for keys in queue for k in keys}

    def open(self, number: int, chunk: Chunk, proven: bool) -> Progress:
        self.queue[number], self.unwritten[number] = [], set()
        self.no_more.discard(number)
        self.add(number, chunk)
        return Progress(wants=self.wants())

    def work(self, chunks: dict[int, Chunk]) -> Progress:
        for number, chunk in chunks.items():
            if chunk.batches:
                self.add(number, chunk)
            else:
                self.no_more.add(number)
        self.turns += 1
        progress = Progress()
        for number in list(self.queue):
            if self.queue[number]:
                self.unwritten[number] |= self.queue[number].pop(0)
                progress.batches[number] += 1
                if self.turns % 3 == 0:
                    self.write(number)
            if not self.queue[number] and number in self.no_more:
                progress.ended.append(self.end(number))
        progress.wants = self.wants()
        return progress

    def finish(self) -> Progress:
        return Progress(ended=[self.end(number) for number in list(self.queue)])

    def add(self, number: int, chunk: Chunk) -> None:
        for batch in chunk.batches:
            keys = {(item.candidate_id,) for item in batch} & chunk.todo
            assert keys, "a batch was leased of which nothing is missing"
            assert not keys & self.disks[number].there
            self.queue[number].append(keys)

    def wants(self) -> list[int]:
        return [t for t, queue in self.queue.items() if not queue and t not in self.no_more]

    def write(self, number: int) -> None:
        self.disks[number].write(self.unwritten[number])
        self.unwritten[number] = set()

    def end(self, number: int) -> Ended:
        self.write(number)
        del self.queue[number], self.unwritten[number]
        return Ended(number)


Fate = Callable[[int, str, Worker], Progress | BaseException | None]
"""Of a call in a slot: what it ends with; None if it does what a worker does."""


class Simulation:
    """A scheduler with simulated workers. It is the pool, too.

    Args:
        fate: of each call.
        order: which of the calls in flight ends next, as a number.
    """

    def __init__(
        self,
        tasks: list[tuple[Task, Disk]],
        slots: int,
        together: bool = False,
        fate: Fate = lambda slot, method, worker: None,
        order: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = lambda: 0.0,
        late: float = 0.0,
    ) -> None:
        self.slots, self.late = slots, late
        self.tasks, self.disks = [one for one, _ in tasks], [disk for _, disk in tasks]
        self.fate, self.order = fate, order
        self.events: list[Event] = []
        self.leases = Leases(self.tasks, slots, together, self.events.append)
        self.scheduler = Scheduler(self, self.leases, 600.0, clock)
        self.workers: dict[int, Worker] = {}
        self.in_flight: dict[int, tuple[str, tuple[Any, ...]]] = {}
        self.died_with: dict[str, int] = {}
        self.leased: list[tuple[int, int, Chunk]] = []
        """Slot, task and what it got, of all that was not empty."""

    def run(self) -> list[Outcome]:
        self.scheduler.start()
        return self.run_on()

    def run_on(self) -> list[Outcome]:
        """To the end, what was started."""
        for _ in range(10_000):
            if not self.leases.busy:
                return self.leases.outcomes()
            self.scheduler.turn()
        raise AssertionError("they wait for each other")

    # as a WorkerPool
    def start(self, slot: int) -> None:
        self.workers[slot] = Worker(self.disks)
        self.in_flight[slot] = "start", ()

    def submit(self, slot: int, method: str, *arguments: Any) -> None:
        assert slot not in self.in_flight
        self.in_flight[slot] = method, arguments
        chunks = {arguments[0]: arguments[1]} if method == "open" else {}
        chunks |= arguments[0] if method == "work" else {}
        self.leased += [(slot, number, one) for number, one in chunks.items() if one.batches]

    def wait(self, seconds: float) -> list[tuple[int, Progress | BaseException]]:
        if not self.in_flight:
            return []
        slots = sorted(self.in_flight)
        slot = slots[self.order() % len(slots)]
        method, arguments = self.in_flight.pop(slot)
        worker = self.workers[slot]
        chunks = arguments[0].values() if method == "work" else ()
        worker.coming = {key for chunk in chunks for key in chunk.todo}
        result = self.fate(slot, method, worker)
        if isinstance(result, BaseException):
            self.die(slot, method)
        elif result is None:
            result = Progress() if method == "start" else getattr(worker, method)(*arguments)
        held = [one for worker in self.workers.values() for one in worker.holds]
        assert len(held) == len(set(held)), "two workers have the same"
        return [(slot, result)]

    def die(self, slot: int, method: str) -> None:
        worker = self.workers.pop(slot)
        if method == "work":
            for (name,) in {key for _, key in worker.holds} | worker.coming:
                self.died_with[name] = self.died_with.get(name, 0) + 1

    def stopped(self, slot: int) -> bool:
        return False

    def kill(self, slot: int) -> None:
        if slot in self.in_flight:
            self.fate = lambda *call: WorkerDied("killed") if call[0] == slot else None

    def close(self) -> None:
        pass
