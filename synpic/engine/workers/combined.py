"""Progress of several workers, combined to one event a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from synpic.engine.progress import Event, Listener
from synpic.engine.workers.task_queue import TaskQueue

__all__ = ["CombinedProgress"]

_NOTED = ("waiting", "working")
"""States of one worker whose note is passed on: in the others it is not about the whole task."""


@dataclass
class _Line:
    """Of one task: the last events of those at work, and sums of those that have ended."""

    total: int
    at_work: dict[int, Event] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    last: Event | None = None


class CombinedProgress:
    """Calls ``listener`` as if one worker did each task: images and rates are added up.

    Memory is that of the worker with most.
    """

    def __init__(self, queues: Sequence[TaskQueue], listener: Listener | None) -> None:
        self._queues, self._listener = queues, listener
        self._lines = [_Line(queue.left) for queue in queues]

    def note(self, slot: int, task: int, event: Event) -> None:
        """Take the last event of one worker."""
        line = self._lines[task]
        line.at_work[slot] = event
        self._send(task, self._state(line), event.note if event.state in _NOTED else None)

    def settle(self, slot: int, task: int, done: int) -> None:
        """The worker in this slot has left the task, with ``done`` images done."""
        line = self._lines[task]
        last = line.at_work.pop(slot, None)
        line.done += done
        line.failed += min(done, last.failed) if last else 0

    def mark_failed(self, task: int, images: int) -> None:
        """Images that no worker has were marked as failed."""
        self._lines[task].done += images
        self._lines[task].failed += images

    def send_news(self, task: int, news: str) -> None:
        """Report what has just happened to a worker."""
        line = self._lines[task]
        state = line.last.state if line.last else self._state(line)
        self._send(task, state, line.last.note if line.last else None, news)

    def end(self, task: int, note: str | None = None) -> None:
        """Report that a task is done; or, with a note, that it is broken."""
        line = self._lines[task]
        if line.last is None or line.last.state not in ("done", "broken"):
            self._send(task, "broken" if note else "done", note)

    def _state(self, line: _Line) -> str:
        states = {event.state for event in line.at_work.values()}
        if "working" in states or line.done or any(e.done for e in line.at_work.values()):
            return "working"
        # "done" and "broken" are one worker's; whether they are the task's is not known yet.
        return "opening" if "opening" in states or not states & {"waiting"} else "waiting"

    def _send(self, task: int, state: str, note: str | None, news: str | None = None) -> None:
        line, of = self._lines[task], self._queues[task].task
        events = line.at_work.values()
        rates = [event.rate for event in events if event.state == "working" and event.rate]
        held = [event.memory for event in events if event.memory]
        was = line.last
        event = Event(
            of.stage,
            of.name,
            state,
            done=line.done + sum(event.done for event in events),
            total=line.total - self._queues[task].others,
            failed=line.failed + sum(event.failed for event in events),
            rate=sum(rates) if rates else (was.rate if was else None),
            note=note,
            memory=max([*held, was.memory or 0 if was else 0]) or None,
            size=of.size,
            news=news,
        )
        line.last = event
        if self._listener is not None:
            self._listener(event)
