"""When a batch goes: how long to wait for callers that will send more."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["BatchPace"]

WINDOW = 1.0
"""Seconds in which a caller that was there is expected again."""


class BatchPace:
    """Watches how many requests are there at once; not safe for several threads without a lock.

    Callers of a trainer send a request, wait for its answer and send the next. The first of them
    must not go alone, and the last must not be waited for: a batch that is not full goes once half
    of the requests are ready that were there together within the last second. The other half is
    being answered, sent and decoded meanwhile, so that the device has work all the time. What never
    comes is waited for until the deadline, which counts from the arrival of the oldest image or,
    where that is later, from the last answer.

    Args:
        deadline: seconds.
        clock: seconds that only grow.
    """

    def __init__(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline, self._clock = deadline, clock
        self._there = self._ready = 0
        self._most = [0, 0]
        self._window = self._answered = float("-inf")

    def began(self) -> None:
        """A request is accepted; its images are not ready yet."""
        self._there += 1
        self._note()

    def ready(self) -> None:
        """All images of a request are."""
        self._ready += 1

    def ended(self, *, was_ready: bool) -> None:
        """A request is answered, or given up."""
        self._note()
        self._there -= 1
        self._ready -= was_ready
        self._answered = self._clock()

    def wait(self, oldest: float) -> float:
        """Seconds for which a batch that is not full is to wait; none where it is 0 or less.

        Args:
            oldest: when the first of its images became ready.
        """
        self._note()
        if 2 * self._ready >= max(self._most):
            return 0.0
        return max(oldest, self._answered) + self._deadline - self._clock()

    def _note(self) -> None:
        now = self._clock()
        if now - self._window >= WINDOW:
            # Two windows, so that what was there just before one ended is not forgotten with it.
            self._most = [self._most[1] if now - self._window < 2 * WINDOW else 0, 0]
            self._window = now
        self._most[1] = max(self._most[1], self._there)
