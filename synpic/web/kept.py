"""Bytes that were made, kept in memory up to a limit: those that were asked for last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["KeptBytes"]


class KeptBytes:
    """Bytes by key. Any number of threads may ask.

    Args:
        limit: bytes to keep at most; one that is larger is kept alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are kept now."""
        return self._held

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept under ``key``, or what ``make`` gives; two threads may make it both.

        Raises:
            What ``make`` raises.
        """
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._held += len(made)
            while self._held > self._limit and len(self._kept) > 1:
                self._held -= len(self._kept.popitem(last=False)[1])
        return made
