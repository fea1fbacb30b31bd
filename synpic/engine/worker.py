"""A worker: asks its foreman for work, does it as one process would, and says how it ended."""

from __future__ import annotations

import errno
import pickle
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from synpic.engine.batches import Jumps
from synpic.engine.messages import (
    Answer,
    Batch,
    Chunk,
    Ended,
    Job,
    Message,
    More,
    Next,
    Told,
    Unable,
)
from synpic.engine.progress import Event
from synpic.engine.run import take_turns
from synpic.engine.running import Running
from synpic.engine.task import Task
from synpic.errors import DeviceLost, SynpicError, causes
from synpic.hub.retry import patience_of_readers, waiting

__all__ = ["Link", "baggage", "work", "work_with"]

SECONDS_BETWEEN_WORDS = 1.0

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Link(Protocol):
    """The way to the foreman."""

    stop: threading.Event
    """Set when the batch in hand should be the last; also when the foreman is gone."""

    def send(self, message: Message) -> None:
        """Say something; to nobody, if the foreman is gone."""
        ...

    def receive(self) -> Answer:
        """Wait for the answer; ``Go`` if the foreman is gone."""
        ...


def baggage(tasks: Sequence[Task]) -> bytes:
    """What a worker in another process gets at its start, for :func:`work_with`.

    Tasks emptied of their work, in one pickle: what they share, they share in the worker too. And
    how long this command waits for the Hub.
    """
    return pickle.dumps(([task.empty() for task in tasks], patience_of_readers().limit))


def work_with(link: Link, tasks: Sequence[Task], patience: float, device: str) -> None:
    """:func:`work` in a process of its own, whose stderr is the command's.

    Args:
        patience: seconds to wait for the Hub, for one thing; each wait is a line on stderr.
    """
    with waiting(patience, lambda line: print(line, file=sys.stderr, flush=True)):
        work(link, tasks, device)


def work(link: Link, tasks: Sequence[Task], device: str) -> None:
    """Do what the foreman gives of ``tasks``, until there is no more or :attr:`Link.stop` is set.

    Args:
        tasks: emptied of their work, in the foreman's order.

    Raises:
        DeviceLost: this process is of no use any more. Another is, and what this one had in hand is
            suspect: so let it die.
    """
    try:
        while not link.stop.is_set():
            link.send(Next())
            job = link.receive()
            if not isinstance(job, Job):
                return
            _do(link, job, tasks, device)
    except DeviceLost:
        raise
    except SynpicError as error:
        link.send(Unable(error, everywhere=_full(error)))


def _do(link: Link, job: Job, tasks: Sequence[Task], device: str) -> None:
    jumps = Jumps()
    begun: dict[Running, int] = {}
    for number in job.tasks:
        first = _ask(link, number)
        task = tasks[number].given(first.batches, first.todo)
        task.proven |= number in job.proven
        task.more = partial(_more, link, number, task)
        begun[Running(task, device, _Teller(link, number), link.stop, jumps)] = number

    def ended(running: Running, put_off: bool) -> None:
        # At once: what it had and did not do is for others, while the rest of the job goes on.
        parts = tuple(sorted(running.parts))
        link.send(Ended(begun[running], running.outcome.broken, put_off, parts))

    take_turns(list(begun), ended)


def _full(error: SynpicError) -> bool:
    """Whether nobody can write any more, and not only this worker now."""
    return any(getattr(cause, "errno", None) in _FULL for cause in causes(error))


def _more(link: Link, number: int, task: Task, anywhere: bool) -> list[Batch]:
    given = _ask(link, number, anywhere)
    task.todo |= given.todo
    return given.batches


def _ask(link: Link, number: int, anywhere: bool = False) -> Chunk:
    nothing = Chunk([], set())
    if link.stop.is_set():
        return nothing
    link.send(More(number, anywhere))
    answer = link.receive()
    return answer if isinstance(answer, Chunk) else nothing


class _Teller:
    """Passes on every change of state, and otherwise a word a second."""

    def __init__(self, link: Link, task: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._link, self._task, self._clock = link, task, clock
        self._state, self._at = "", 0.0

    def __call__(self, event: Event) -> None:
        now = self._clock()
        if event.state != self._state or now - self._at >= SECONDS_BETWEEN_WORDS:
            self._state, self._at = event.state, now
            self._link.send(Told(self._task, event))
