"""The batches of a task that are still to be done, in the order in which they are best done."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Batches", "Jumps"]

T = TypeVar("T")


class Jumps:
    """Where to go on, as shares of a list, drawn once for all tasks of a run.

    Rewards that look at the same images jump to the same ones.
    """

    def __init__(self) -> None:
        self._places: list[float] = []

    def place(self, number: int) -> float:
        """Of the jump with this number, from 0; in 0 … 1."""
        while len(self._places) <= number:
            self._places.append(random.random())
        return self._places[number]


class Batches(Generic[T]):
    """A list, taken from its front."""

    def __init__(self, batches: Iterable[T], jumps: Jumps) -> None:
        self._queue = deque(batches)
        self._jumps, self._jumped = jumps, 0

    @property
    def front(self) -> T | None:
        """The next in order, which stays; None at the end."""
        return self._queue[0] if self._queue else None

    def take(self) -> T | None:
        """The next; None at the end."""
        return self._queue.popleft() if self._queue else None

    def take_any(self) -> T | None:
        """One from anywhere; the others stay in order."""
        if not self._queue:
            return None
        place = random.randrange(len(self._queue))
        batch = self._queue[place]
        del self._queue[place]
        return batch

    def add(self, batches: Iterable[T]) -> None:
        """``batches`` come after the others."""
        self._queue.extend(batches)

    def put_back(self, batch: T) -> None:
        """``batch`` is the next, after all."""
        self._queue.appendleft(batch)

    def jump(self) -> None:
        """Go on elsewhere, and come round: two workers in step would make everything twice."""
        self._queue.rotate(-int(self._jumps.place(self._jumped) * len(self._queue)))
        self._jumped += 1
