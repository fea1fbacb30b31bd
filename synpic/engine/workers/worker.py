"""A worker: it has tasks open, and does about a second's work of them at each call."""

from __future__ import annotations

import errno
import pickle
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from synpic.engine.attempt import in_words
from synpic.engine.progress import Event
from synpic.engine.running_task import Jumps, NoRoom, RunningTask
from synpic.engine.task import Item, Key, Task
from synpic.errors import DeviceLost, SynpicError, causes
from synpic.hub.retry import patience_of_readers

__all__ = ["Chunk", "Ended", "Progress", "Unable", "Want", "Worker", "baggage", "unpack"]

CALL_SECONDS = 1.0
"""A call ends with the first batch that ends after it: it is then that progress is seen, and that
a worker can be stopped."""

_FULL = (errno.ENOSPC, errno.EDQUOT)

Batch = list[Item]


@dataclass(frozen=True)
class Chunk:
    """Batches of a task that a worker leases, and what of them is to be done."""

    batches: list[Batch]
    todo: set[Key]


class Want(NamedTuple):
    """What a worker is to get with its next call: a chunk of a task, or samples of it.

    Args:
        task: its number.
        samples: single batches from anywhere in the list; see :attr:`RunningTask.needs_samples`.
    """

    task: int
    samples: bool = False


@dataclass(frozen=True)
class Ended:
    """A worker has done what it leased of a task, or gives it back.

    Args:
        broken: why it was left.
        put_off: the device has no room for it beside the other open tasks.
        parts: names of those that were written: a folder's listing may show them late.
    """

    task: int
    broken: SynpicError | None = None
    put_off: bool = False
    parts: tuple[str, ...] = ()


@dataclass
class Progress:
    """The result of a call. It pickles.

    Args:
        events: the last one of each task, by its number.
        batches: how many were done of each task.
        ended: tasks that are no longer open.
        wants: what the next call should bring.
    """

    events: dict[int, Event] = field(default_factory=dict)
    batches: Counter[int] = field(default_factory=Counter)
    ended: list[Ended] = field(default_factory=list)
    wants: list[Want] = field(default_factory=list)


class Unable(Exception):
    """A worker cannot go on, and what it works on is not why.

    Args:
        everywhere: no other can either: the disk is full.
    """

    def __init__(self, error: SynpicError, everywhere: bool = False) -> None:
        super().__init__(error, everywhere)
        self.error, self.everywhere = error, everywhere


def baggage(tasks: Sequence[Task]) -> bytes:
    """What a worker in another process gets at its start.

    Tasks emptied of their work, in one pickle: what they share, they share in the worker too. And
    how long this command waits for the Hub.
    """
    return pickle.dumps(([task.empty() for task in tasks], patience_of_readers().limit))


def unpack(baggage: bytes) -> tuple[Sequence[Task], float]:
    """In the other process: what :func:`baggage` packed.

    Returns:
        The tasks, and the seconds for which to wait for the Hub.
    """
    tasks: Sequence[Task]
    limit: float
    tasks, limit = pickle.loads(baggage)
    return tasks, limit


class Worker:
    """Opens tasks on one device, and works on those that are open in turns, a batch each.

    Args:
        tasks: emptied of their work, in the scheduler's order.
        clock: seconds, from anywhere, that never go back.
    """

    def __init__(
        self, tasks: Sequence[Task], device: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tasks, self._device, self._clock = tasks, device, clock
        self._at_work: dict[int, RunningTask] = {}
        self._no_more: set[Want] = set()
        self._jumps = Jumps()
        self._stop = threading.Event()
        self._in_call = threading.Lock()
        self._progress = Progress()

    def call(self, method: str, *arguments: Any) -> Progress:
        """Run :meth:`open`, :meth:`work`, :meth:`rest` or :meth:`finish`.

        Raises:
            Unable: it cannot write; what was made before is kept, as in all other cases.
            DeviceLost: nothing can be done on the device any more.
            RuntimeError: any other error, which is printed on stderr.
        """
        with self._in_call:
            self._progress = Progress()
            try:
                getattr(self, method)(*arguments)
            except DeviceLost:
                self._close()
                raise
            except SynpicError as error:
                self._close()
                full = any(getattr(cause, "errno", None) in _FULL for cause in causes(error))
                raise Unable(error, everywhere=full) from None
            except Exception as error:
                # It may be of a class that the command cannot read; the rest is in the log.
                self._close()
                with suppress(OSError, ValueError):
                    traceback.print_exc()
                raise RuntimeError(in_words(error)) from None
            finally:
                for stream in (sys.stdout, sys.stderr):
                    # A log that is full, or closed, does not make the call fail.
                    with suppress(OSError, ValueError):
                        stream.flush()
            self._progress.wants = self._wants()
            return self._progress

    def open(self, number: int, chunk: Chunk, proven: bool) -> None:
        """Open a task with a first chunk of it.

        Args:
            proven: it has worked before.
        """
        task = self._tasks[number].with_work(chunk.batches, chunk.todo)
        if proven:
            task.prove()
        self._no_more -= {Want(number, samples) for samples in (False, True)}

        def listen(event: Event) -> None:
            self._progress.events[number] = event

        running = RunningTask(task, self._device, listen, self._stop, self._jumps)
        try:
            if running.open(alone=not self._at_work):
                self._at_work[number] = running
            else:
                self._end(number, running)
        except NoRoom:
            self._end(number, running, put_off=True)

    def work(self, chunks: Mapping[Want, Chunk]) -> None:
        """Do batches for about a second; fewer if a task ends or needs more.

        Args:
            chunks: what the call before asked for. For an empty one, it does not ask again.
        """
        for want, chunk in chunks.items():
            if not chunk.batches:
                self._no_more.add(want)
            elif want.task in self._at_work:
                self._at_work[want.task].add(chunk.batches, chunk.todo, want.samples)
        until = self._clock() + CALL_SECONDS
        while self._at_work and not self._stop.is_set():
            # The one furthest behind: all look at about the same images.
            self._step(min(self._at_work, key=lambda number: self._at_work[number].position))
            if self._progress.ended or self._clock() >= until or self._wants():
                break

    def rest(self) -> None:
        """Wait for about a second, without work."""
        self._stop.wait(CALL_SECONDS)

    def finish(self) -> None:
        """Write what was made, and end every task."""
        self._stop.set()
        for number in list(self._at_work):
            self._step(number)

    @property
    def at_work(self) -> bool:
        """Whether a task is open, so that something may have been made."""
        return bool(self._at_work)

    def leave(self, seconds: float) -> bool:
        """From another thread: finish after the current batch; whether it ended in time."""
        self._stop.set()
        if not self._in_call.acquire(timeout=seconds):
            return False
        try:
            self.finish()
        finally:
            self._close()
        return True

    def _step(self, number: int) -> None:
        running = self._at_work[number]
        try:
            if running.step(alone=len(self._at_work) == 1):
                self._progress.batches[number] += 1
                return
            self._end(number, running)
        except NoRoom:
            self._end(number, running, put_off=True)

    def _end(self, number: int, running: RunningTask, put_off: bool = False) -> None:
        self._at_work.pop(number, None)
        parts = tuple(sorted(running.parts))
        self._progress.ended.append(Ended(number, running.outcome.broken, put_off, parts))

    def _wants(self) -> list[Want]:
        wants = [
            want
            for number, running in self._at_work.items()
            for want, needed in (
                (Want(number), running.needs_more),
                (Want(number, samples=True), running.needs_samples),
            )
            if needed
        ]
        return [want for want in wants if want not in self._no_more]

    def _close(self) -> None:
        for running in self._at_work.values():
            running.close()
        self._at_work = {}
