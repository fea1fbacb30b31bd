"""Workers that say nothing for too long: stopped by a signal, frozen, or hung in a batch.

Such a worker neither ends nor goes on, and a command that waits for it waits for ever.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from synpic.engine.messages import Ended, Job, Message, Next, Told
from synpic.errors import SynpicError

__all__ = ["Watch", "shortest_deadline"]

SHORTEST = 600.0
"""Seconds of silence that are never too long, without ``SYNPIC_WORKER_DEADLINE``."""
TIMES = 20
"""A worker is late after this multiple of the median seconds of a batch of its task."""
FIRST = 6
"""The first batch of a worker has this multiple of the time: something may be compiled."""
TURN = 5.0
"""Seconds that one turn of the command's loop may add: the command itself may have been stopped."""


@dataclass
class _Seat:
    heard: float
    job: set[int] = field(default_factory=set)
    working: set[int] = field(default_factory=set)
    warm: set[int] = field(default_factory=set)


class Watch:
    """Finds workers that are late.

    How long a batch may take is known once workers have done some. Before that, and while a model
    is opened (its weights may be on their way for hours), a worker is late only if it is stopped.

    Args:
        shortest: seconds before which no worker is late.
        waits: further seconds that a worker may wait for the Hub within a batch.
        clock: seconds, from anywhere, that never go back.
    """

    def __init__(
        self, shortest: float, waits: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shortest, self._waits, self._clock = shortest, waits, clock
        self._seats: dict[int, _Seat] = {}
        self._batches: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=99))
        self._now, self._read = 0.0, clock()

    def turn(self) -> None:
        """Let time pass: what went by since the last turn, without stops of this process."""
        before, self._read = self._read, self._clock()
        self._now += min(self._read - before, TURN)

    def started(self, seat: int) -> None:
        """A worker for this seat was started."""
        self._seats[seat] = _Seat(self._now)

    def heard(self, seat: int, message: Message) -> None:
        """The worker in this seat has said something."""
        worker = self._seats.get(seat)
        if worker is None:
            return
        before, worker.heard = worker.heard, self._now
        match message:
            case Next():
                worker.heard = math.inf
            case Told(task, event) if event.state == "working":
                if task in worker.working:
                    self._batches[task].append(self._now - before)
                    worker.warm.add(task)
                worker.working.add(task)
            case Ended(task, broken):
                # Batches of less than a second are not told one by one.
                if task in worker.working and broken is None:
                    self._batches[task].append(self._now - before)
                worker.job.discard(task)

    def given(self, seat: int, job: Job) -> None:
        """The worker in this seat, which waited, has something to do."""
        if seat in self._seats:
            self._seats[seat] = _Seat(self._now, set(job.tasks))

    def late(self, stopped: Callable[[int], bool]) -> list[tuple[int, float]]:
        """Workers that are late, and for how many seconds nothing was heard; told once of each.

        Args:
            stopped: whether the worker in a seat is known not to run.
        """
        found = []
        for seat, worker in list(self._seats.items()):
            silence = self._now - worker.heard
            if silence > self._shortest and (silence > self._deadline(worker) or stopped(seat)):
                del self._seats[seat]
                found.append((seat, silence))
        return found

    def _deadline(self, worker: _Seat) -> float:
        batches = [self._batches[task] for task in worker.job]
        if not batches or worker.job - worker.working or not all(batches):
            return math.inf
        shortest = self._shortest * (1 if worker.job <= worker.warm else FIRST) + self._waits
        return max(shortest, *(TIMES * statistics.median(b) for b in batches))


def shortest_deadline() -> float:
    """Seconds, as ``SYNPIC_WORKER_DEADLINE`` or :data:`SHORTEST` says.

    Raises:
        SynpicError: it is not a positive number.
    """
    text = os.environ.get("SYNPIC_WORKER_DEADLINE", "")
    try:
        seconds = float(text or SHORTEST)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SynpicError(
            f"the environment variable SYNPIC_WORKER_DEADLINE is {text!r}, and not a number of "
            "seconds above 0",
            hint=f"unset it; without it, it is {SHORTEST:g}",
        )
    return seconds
