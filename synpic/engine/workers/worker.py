"""A worker: it has tasks open, and does about a second's work of them at each call."""

from __future__ import annotations

import errno
import pickle
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from synpic.engine.attempt import in_words
from synpic.engine.progress import Event
from synpic.engine.running_task import RunningTask
from synpic.engine.task import Item, Key, Task
from synpic.errors import DeviceLost, SynpicError, causes
from synpic.hub.retry import patience_of_readers, waiting

__all__ = ["Chunk", "Ended", "Progress", "Unable", "Worker", "WorkerDied", "baggage"]

CALL_SECONDS = 1.0
"""A call ends with the first batch that ends after it: it is then that progress is seen, and that
a worker can be stopped."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Chunk:
    """Batches of a task that a worker leases, and what of them is to be done."""

    batches: list[list[Item]]
    todo: set[Key]


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
        wants: tasks that need a chunk with the next call.
        samples: tasks that need batches from anywhere in the list.
    """

    events: dict[int, Event] = field(default_factory=dict)
    batches: Counter[int] = field(default_factory=Counter)
    ended: list[Ended] = field(default_factory=list)
    wants: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)


class Unable(Exception):
    """A worker cannot go on, and what it works on is not why.

    Args:
        everywhere: no other can either: the disk is full.
    """

    def __init__(self, error: SynpicError, everywhere: bool = False) -> None:
        super().__init__(error, everywhere)
        self.error, self.everywhere = error, everywhere


class WorkerDied(Exception):
    """A worker has ended with a call in flight; how: "exit code -9"."""


def baggage(tasks: Sequence[Task]) -> bytes:
    """What a worker in another process is made of; see :meth:`Worker.begin`.

    Tasks emptied of their work, in one pickle: what they share, they share in the worker too. And
    how long this command waits for the Hub.
    """
    return pickle.dumps(([task.empty() for task in tasks], patience_of_readers().limit))


class Worker:
    """Opens tasks on one device, and works on those that are open in turns, a batch each.

    Args:
        tasks: emptied of their work, in the scheduler's order.
    """

    def __init__(self, tasks: Sequence[Task], device: str) -> None:
        self.tasks, self._device = tasks, device
        self._at_work: dict[int, RunningTask] = {}
        self._no_more: set[int] = set()
        self._stop = threading.Event()
        self._in_call = threading.Lock()
        self._progress = Progress()
        self.for_ever = ExitStack()

    @classmethod
    def begin(cls, baggage: bytes, device: str) -> Worker:
        """In the other process: make a worker of what :func:`baggage` packed."""
        tasks, patience = pickle.loads(baggage)
        worker = cls(tasks, device)
        # Its stderr is the command's: the user sees why and how long it waits for the Hub.
        wait = waiting(patience, lambda line: print(line, file=sys.stderr))
        worker.for_ever.enter_context(wait)
        return worker

    def call(self, method: str, *arguments: Any) -> Progress:
        """Run :meth:`open`, :meth:`work` or :meth:`finish`.

        Raises:
            Unable: it cannot write; what was made before is kept, as in all other cases.
            DeviceLost: nothing can be done on the device any more.
            RuntimeError: any other error, which is printed on stderr.
        """
        with self._in_call:
            progress = self._progress = Progress()
            try:
                getattr(self, method)(*arguments)
            except Exception as error:  # it may be of a class that the command cannot read
                self._close()
                raise _raised(error) from None
            finally:
                for stream in (sys.stdout, sys.stderr):
                    # A log that is full, or closed, does not make the call fail.
                    with suppress(OSError, ValueError):
                        stream.flush()
            progress.wants, progress.samples = self._needs()
            return progress

    def open(self, number: int, chunk: Chunk, proven: bool) -> None:
        """Open a task with a first chunk of it.

        Args:
            proven: it has worked before.
        """
        task = self.tasks[number].with_work(chunk.batches, chunk.todo, proven)
        self._no_more.discard(number)

        def listen(event: Event) -> None:
            self._progress.events[number] = event

        running = RunningTask(task, self._device, listen, self._stop)
        if running.open(alone=not self._at_work):
            self._at_work[number] = running
        else:
            self._end(number, running)

    def work(self, chunks: Mapping[int, Chunk]) -> None:
        """Do batches for about a second; fewer if a task ends or needs more.

        Args:
            chunks: what the call before asked for, by task. After an empty one, it asks for none.
        """
        for number, chunk in chunks.items():
            if not chunk.batches:
                self._no_more.add(number)
            elif number in self._at_work:
                self._at_work[number].add(chunk.batches, chunk.todo)
        until = time.monotonic() + CALL_SECONDS
        while self._at_work and not self._stop.is_set():
            # The one furthest behind: all look at about the same images.
            self._step(min(self._at_work, key=lambda number: self._at_work[number].position))
            if self._progress.ended or time.monotonic() >= until or any(self._needs()):
                break

    def finish(self) -> None:
        """Write what was made, and end every task."""
        self._stop.set()
        for number in list(self._at_work):
            self._step(number)

    @property
    def at_work(self) -> bool:
        """Whether a task is open, so that something may have been made."""
        return bool(self._at_work)

    def leave(self, seconds: float) -> None:
        """From another thread: finish after the current batch, if it ends in time."""
        self._stop.set()
        if self._in_call.acquire(timeout=seconds):
            try:
                self.finish()
            finally:
                self._close()

    def _step(self, number: int) -> None:
        running = self._at_work[number]
        if running.step(alone=len(self._at_work) == 1):
            self._progress.batches[number] += 1
        else:
            self._end(number, running)

    def _end(self, number: int, running: RunningTask) -> None:
        self._at_work.pop(number, None)
        parts = tuple(sorted(running.parts))
        ended = Ended(number, running.outcome.broken, running.put_off, parts)
        self._progress.ended.append(ended)

    def _needs(self) -> tuple[list[int], list[int]]:
        """Tasks that need a chunk, and those that need batches from anywhere."""
        asking = {n: running for n, running in self._at_work.items() if n not in self._no_more}
        wants = [number for number, running in asking.items() if running.needs_more]
        return wants, [number for number, running in asking.items() if running.suspicious]

    def _close(self) -> None:
        for running in self._at_work.values():
            running.close()
        self._at_work = {}


def _raised(error: Exception) -> Exception:
    """What a call raises in the place of ``error``, so that the command can read it."""
    if isinstance(error, DeviceLost):
        return error
    if isinstance(error, SynpicError):
        full = any(getattr(cause, "errno", None) in _FULL for cause in causes(error))
        return Unable(error, everywhere=full)
    with suppress(OSError, ValueError):  # the rest is in the log
        traceback.print_exception(error)
    return RuntimeError(in_words(error))
