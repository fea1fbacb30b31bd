"""A worker pool: workers in numbered slots, each of which has one call in flight at a time."""

from __future__ import annotations

from typing import Any, Protocol

from synpic.engine.workers.worker import Progress

__all__ = ["WorkerDied", "WorkerPool"]


class WorkerDied(Exception):
    """A worker has ended with a call in flight; how: "exit code -9"."""


class WorkerPool(Protocol):
    """Workers in slots, numbered from 0: processes here, or actors of a cluster."""

    @property
    def slots(self) -> int:
        """The number of slots."""

    @property
    def late(self) -> float:
        """Seconds in which the workspace may not show here what a worker wrote."""

    def start(self, slot: int) -> None:
        """Start a worker in this slot, or replace the one that was there: its first call."""

    def submit(self, slot: int, method: str, *arguments: Any) -> None:
        """Call a method of :class:`~synpic.engine.workers.worker.Worker` in this slot."""

    def wait(self, seconds: float) -> list[tuple[int, Progress | BaseException]]:
        """Calls that have ended, by slot, with what they returned or raised.

        Waits for one at most ``seconds``. A worker that has died raises :class:`WorkerDied`.
        """

    def stopped(self, slot: int) -> bool:
        """Whether the worker in this slot is known not to run: a signal has stopped it."""

    def kill(self, slot: int) -> None:
        """End the worker in this slot at once; a call in flight then raises."""

    def close(self) -> None:
        """End all workers at once, and wait for their end."""
