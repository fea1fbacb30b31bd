"""Progress in one place: what all workers tell of a task becomes one event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from synpic.engine.pile import Pile
from synpic.engine.progress import Event, Listener

__all__ = ["Board"]


_TOLD = ("waiting", "working")
"""States of one worker whose note is worth telling: of the others it is not the task's."""


@dataclass
class _Line:
    """Of one task: what is told of those at work, and sums of those that have ended."""

    total: int
    at_work: dict[int, Event] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    last: Event | None = None


class Board:
    """Tells ``listener`` of tasks as if one worker did them: images and rates are added up.

    Memory is that of whoever holds most.
    """

    def __init__(self, piles: Sequence[Pile], listener: Listener | None) -> None:
        self._piles, self._listener = piles, listener
        self._lines = [_Line(pile.left) for pile in piles]

    def note(self, seat: int, task: int, event: Event) -> None:
        """Worker ``seat`` told this."""
        line = self._lines[task]
        line.at_work[seat] = event
        self._tell(task, self._state(line), event.note if event.state in _TOLD else None)

    def settle(self, seat: int, task: int, done: int) -> None:
        """Worker ``seat`` is at it no more; so many images it left done."""
        line = self._lines[task]
        last = line.at_work.pop(seat, None)
        line.done += done
        line.failed += min(done, last.failed) if last else 0

    def condemn(self, task: int, images: int) -> None:
        """So many images got failure rows, and are in nobody's hands."""
        self._lines[task].done += images
        self._lines[task].failed += images

    def tell_news(self, task: int, news: str) -> None:
        """Say what has just happened to a worker."""
        line = self._lines[task]
        state = line.last.state if line.last else self._state(line)
        self._tell(task, state, line.last.note if line.last else None, news)

    def end(self, task: int, note: str | None = None) -> None:
        """Say that a task is done; or, with a note, that it is broken."""
        line = self._lines[task]
        if line.last is None or line.last.state not in ("done", "broken"):
            self._tell(task, "broken" if note else "done", note)

    def _state(self, line: _Line) -> str:
        states = {event.state for event in line.at_work.values()}
        if "working" in states or line.done or any(e.done for e in line.at_work.values()):
            return "working"
        # "done" and "broken" are one worker's; whether they are the task's is not known yet.
        return "opening" if "opening" in states or not states & {"waiting"} else "waiting"

    def _tell(self, task: int, state: str, note: str | None, news: str | None = None) -> None:
        line, of = self._lines[task], self._piles[task].task
        heard = line.at_work.values()
        rates = [event.rate for event in heard if event.state == "working" and event.rate]
        held = [event.memory for event in heard if event.memory]
        was = line.last
        event = Event(
            of.stage,
            of.name,
            state,
            done=line.done + sum(event.done for event in heard),
            total=line.total - self._piles[task].others,
            failed=line.failed + sum(event.failed for event in heard),
            rate=sum(rates) if rates else (was.rate if was else None),
            note=note,
            memory=max([*held, was.memory or 0 if was else 0]) or None,
            size=of.size,
            news=news,
        )
        line.last = event
        if self._listener is not None:
            self._listener(event)
