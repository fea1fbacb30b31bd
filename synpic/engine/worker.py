"""A worker: asks its foreman for work, does it as one process would, and says how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from synpic.engine.batches import Jumps
from synpic.engine.messages import (
    Answer,
    Batch,
    Ended,
    Failed,
    Job,
    Message,
    More,
    Next,
    Told,
    Work,
)
from synpic.engine.progress import Event
from synpic.engine.run import take_turns
from synpic.engine.running import Running
from synpic.engine.task import Task
from synpic.errors import SynpicError

__all__ = ["Link", "work"]

SECONDS_BETWEEN_WORDS = 1.0


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


def work(link: Link, tasks: Sequence[Task], device: str) -> None:
    """Do what the foreman gives of ``tasks``, until there is no more or :attr:`Link.stop` is set.

    Args:
        tasks: emptied of their work, in the foreman's order.
    """
    try:
        while not link.stop.is_set():
            link.send(Next())
            job = link.receive()
            if not isinstance(job, Job):
                return
            _do(link, job, tasks, device)
    except SynpicError as error:
        link.send(Failed(error, everywhere=True))


def _do(link: Link, job: Job, tasks: Sequence[Task], device: str) -> None:
    jumps = Jumps()
    begun: dict[int, Running] = {}
    for number in job.tasks:
        first = _ask(link, number)
        task = tasks[number].given(first.batches, first.todo)
        task.proven |= number in job.proven
        task.more = partial(_more, link, number, task)
        begun[number] = Running(task, device, _Teller(link, number), link.stop, jumps)
    put_off = take_turns(list(begun.values()))
    for number, running in begun.items():
        link.send(Ended(number, running.outcome.broken, running in put_off))


def _more(link: Link, number: int, task: Task) -> list[Batch]:
    given = _ask(link, number)
    task.todo |= given.todo
    return given.batches


def _ask(link: Link, number: int) -> Work:
    nothing = Work([], set())
    if link.stop.is_set():
        return nothing
    link.send(More(number))
    answer = link.receive()
    return answer if isinstance(answer, Work) else nothing


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
