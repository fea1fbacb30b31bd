"""Deadlines of calls: a worker that is stopped, frozen or hung never ends the one in flight."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping

from synpic.errors import SynpicError

__all__ = ["SHORTEST", "Deadlines", "shortest_deadline"]

SHORTEST = 600.0
"""Seconds that are never too long for a call, without ``SYNPIC_WORKER_DEADLINE``."""
TIMES = 20
"""A call is late after this multiple of the median seconds of a batch of its task."""
FIRST = 6
"""The first batch of a worker has this multiple of the time: something may be compiled."""
TURN = 5.0
"""Seconds that one turn of the command's loop may add: the command itself may have been stopped."""


class Deadlines:
    """Finds calls that are late.

    How long a batch may take is known once workers have done some. Before that, and while a model
    is opened (its weights may be on their way for hours), a call is late only if its worker is
    stopped.

    Args:
        shortest: seconds before which no call is late.
        waits: further seconds that a worker may wait for the Hub within a batch.
        clock: seconds, from anywhere, that never go back.
    """

    def __init__(
        self, shortest: float, waits: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shortest, self._waits, self._clock = shortest, waits, clock
        self._calls: dict[int, tuple[float, set[int]]] = {}
        self._warm: defaultdict[int, set[int]] = defaultdict(set)
        self._batches: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=99))
        self._now, self._read = 0.0, clock()

    def begin(self, slot: int, tasks: Iterable[int] = ()) -> None:
        """A call is in flight in this slot.

        Args:
            tasks: that it works on; none while the worker starts or opens one.
        """
        self._turn()
        self._calls[slot] = self._now, set(tasks)
        if not self._calls[slot][1]:
            self._warm[slot].clear()

    def end(self, slot: int, batches: Mapping[int, int]) -> None:
        """The call has ended, after these numbers of batches by task."""
        self._turn()
        since, _ = self._calls.pop(slot, (self._now, set()))
        for task in batches:
            self._batches[task].append((self._now - since) / sum(batches.values()))
        self._warm[slot] |= batches.keys()

    def late(self, stopped: Callable[[int], bool]) -> list[tuple[int, float]]:
        """Slots whose call is late, and for how many seconds it has run; each once.

        Args:
            stopped: whether the worker in a slot is known not to run.
        """
        self._turn()
        found = []
        for slot, (since, tasks) in list(self._calls.items()):
            seconds = self._now - since
            if seconds > self._shortest and (seconds > self._after(slot, tasks) or stopped(slot)):
                del self._calls[slot]
                found.append((slot, seconds))
        return found

    def _turn(self) -> None:
        """Let time pass: what went by since the last turn, without stops of this process."""
        before, self._read = self._read, self._clock()
        self._now += min(self._read - before, TURN)

    def _after(self, slot: int, tasks: set[int]) -> float:
        """Seconds after which a call is late."""
        batches = [self._batches[task] for task in tasks]
        if not batches or not all(batches):
            return math.inf
        shortest = self._shortest * (1 if tasks <= self._warm[slot] else FIRST) + self._waits
        return max(shortest, *(TIMES * statistics.median(seconds) for seconds in batches))


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
