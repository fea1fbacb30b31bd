"""Progress of several workers, combined to one event a task."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from synpic.engine.progress import Event, Listener
from synpic.engine.workers.task_queue import TaskQueue

__all__ = ["CombinedProgress"]


class CombinedProgress:
    """Calls ``listener`` as if one worker did each task: images and rates are added up.

    Memory is that of the worker with most.
    """

    def __init__(self, queues: Sequence[TaskQueue], listener: Listener | None) -> None:
        self._queues, self._listener = queues, listener
        self._totals = [queue.left for queue in queues]
        self._done, self._failed = Counter[int](), Counter[int]()
        """Of workers that have left a task."""
        self._at_work: defaultdict[int, dict[int, Event]] = defaultdict(dict)
        """The last event of each worker at a task."""
        self._last = [
            Event(q.task.stage, q.task.name, "opening", 0, q.left, size=q.task.size) for q in queues
        ]

    def note(self, slot: int, task: int, event: Event) -> None:
        """Take the last event of one worker."""
        self._at_work[task][slot] = event
        events = self._at_work[task].values()
        states = {event.state for event in events}
        if "working" in states or self._done[task] or any(event.done for event in events):
            state = "working"
        else:
            # "done" and "broken" are one worker's; whether they are the task's is not known yet.
            state = "opening" if "opening" in states or "waiting" not in states else "waiting"
        self._send(task, state, event.note if event.state in ("waiting", "working") else None)

    def opening(self, slot: int, task: int) -> None:
        """A worker is about to open a task."""
        self.note(slot, task, replace(self._last[task], state="opening", done=0, failed=0))

    def settle(self, slot: int, task: int, done: int, marked: int) -> None:
        """The worker in this slot has left the task.

        Args:
            done: images that it has done.
            marked: images of no worker that were marked as failed.
        """
        last = self._at_work[task].pop(slot, None)
        self._done[task] += done + marked
        self._failed[task] += marked + (min(done, last.failed) if last else 0)

    def send_news(self, task: int, news: str) -> None:
        """Report what has just happened to a worker."""
        self._send(task, self._last[task].state, self._last[task].note, news)

    def end(self, task: int, note: str | None = None) -> None:
        """Report that a task is done; or, with a note, that it is broken."""
        if self._last[task].state not in ("done", "broken"):
            self._send(task, "broken" if note else "done", note)

    def _send(self, task: int, state: str, note: str | None, news: str | None = None) -> None:
        events, last = self._at_work[task].values(), self._last[task]
        rates = [event.rate for event in events if event.state == "working" and event.rate]
        self._last[task] = event = replace(
            last,
            state=state,
            done=self._done[task] + sum(event.done for event in events),
            total=self._totals[task] - self._queues[task].others,
            failed=self._failed[task] + sum(event.failed for event in events),
            rate=sum(rates) if rates else last.rate,
            note=note,
            memory=max(event.memory or 0 for event in [last, *events]) or None,
            news=news,
        )
        if self._listener is not None:
            self._listener(event)
