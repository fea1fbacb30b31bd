"""How fast a server is asked: when it has too many questions, all threads leave it alone."""

from __future__ import annotations

import random
import threading
import time

__all__ = ["Pace", "backoff"]

_FIRST, _LONGEST = 0.5, 60.0
"""Seconds between two tries: at first, and at most where the server does not say how long."""


class Pace:
    """One for all threads that ask a server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = self._paused = 0.0
        self._refusals = 0
        self._stopped = threading.Event()

    def wait(self) -> float | None:
        """Wait until the server may be asked.

        Returns:
            The time, by ``time.monotonic``; None if it is to be asked nothing more.
        """
        while (left := self._until - time.monotonic()) > 0 and not self._stopped.wait(left):
            pass
        return None if self._stopped.is_set() else time.monotonic()

    def answered(self) -> None:
        """It has answered: the next pause is a short one again."""
        self._refusals = 0

    def refused(self, sent: float, asked: float | None) -> float:
        """It had too many questions.

        Many that were sent together are refused together, and are one reason to wait: otherwise the
        pause would be the longest of as many draws.

        Args:
            sent: when this question was, as :meth:`wait` returned it.
            asked: seconds that the server asks to be left alone, if it does.

        Returns:
            Seconds until it may be asked again.
        """
        now = time.monotonic()
        with self._lock:
            if asked is not None:
                self._until = max(self._until, now + asked + random.uniform(0, 0.1 * _FIRST))
            elif sent >= self._paused:
                self._refusals += 1
                self._until = max(self._until, now + backoff(self._refusals))
                self._paused = now
            return max(0.0, self._until - now)

    def sleep(self, seconds: float) -> bool:
        """Wait, alone; whether the server is to be asked nothing more."""
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        """End all waits."""
        self._stopped.set()


def backoff(tries: int) -> float:
    """Seconds before the next try: twice as long each time.

    A part of it is chance, so that questions that failed together do not come together.
    """
    longest: float = min(_LONGEST, _FIRST * 2 ** min(tries - 1, 16))
    return longest * random.uniform(0.5, 1)
