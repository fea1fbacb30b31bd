"""Doing a batch whatever happens: smaller where memory is short, alone where one spoils it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from synpic.engine.device import free_memory, lost, lost_by
from synpic.engine.task import Row
from synpic.errors import SynpicError

__all__ = ["Attempts", "Done", "Failed", "in_words", "out_of_memory"]

T = TypeVar("T")

_NO_MEMORY = ("can't allocate memory", "out of memory")
"""What the CPU and MPS say, for which torch has no exception of its own."""


@dataclass(frozen=True)
class Done(Generic[T]):
    """A row with its result.

    Args:
        batch_size: of the batch it was done in.
        seconds: its share of that batch's time.
    """

    row: Row
    result: T
    batch_size: int
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A row without a result, and the reason.

    Args:
        starved: alone in its batch, it found no memory.
    """

    row: Row
    reason: str
    starved: bool = False


class Attempts(Generic[T]):
    """Runs ``work`` on batches, and remembers how large one may be.

    Args:
        work: n rows → n results. A SynpicError of its is raised on, and what the device does not
            survive as :class:`synpic.errors.DeviceLost`; anything else is about rows.
        make_room: called when memory is short for a single row; whether there is more now.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Row]], Sequence[T]],
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work, self._make_room = work, make_room
        self.limit: int | None = None
        """Rows for which memory was found; None while no batch has been too large."""

    def run(self, rows: Sequence[Row]) -> list[Done[T] | Failed]:
        """Every row of ``rows``, done or failed, in their order."""
        ended: list[Done[T] | Failed] = []
        while len(ended) < len(rows):
            ended += self._run(rows[len(ended) :][: self.limit or len(rows)])
        return ended

    def _run(self, rows: Sequence[Row]) -> list[Done[T] | Failed]:
        began = time.perf_counter()
        results, problem = self._try(rows)
        if problem is None:
            seconds = (time.perf_counter() - began) / len(rows)
            return [
                Done(row, result, len(rows), seconds)
                for row, result in zip(rows, results, strict=True)
            ]
        if len(rows) == 1:
            if problem.out_of_memory and self._make_room():
                self.limit = None
                return self._run(rows)
            return [Failed(rows[0], problem.reason, problem.out_of_memory)]
        if problem.out_of_memory:
            self.limit = len(rows) // 2
            return self.run(rows)
        # One bad row spoils its batch: alone, each shows whether it was the one.
        return [ended for row in rows for ended in self._run([row])]

    def _try(self, rows: Sequence[Row]) -> tuple[Sequence[T], _Problem | None]:
        # What went wrong is told in words, not raised further: an exception in flight would hold
        # on to the very tensors for which there was no room.
        try:
            results = self._work(rows)
        except SynpicError:
            raise
        except (Exception, SystemExit) as error:
            # A reward or a family may be any code: what it raises is about these rows.
            problem = _Problem(in_words(error), out_of_memory(error))
            if not problem.out_of_memory and lost(error):
                raise lost_by(error) from None
        else:
            if len(results) == len(rows):
                return results, None
            problem = _Problem(f"{len(rows)} results were asked for, {len(results)} came")
        if problem.out_of_memory:
            free_memory()
        return [], problem


@dataclass(frozen=True)
class _Problem:
    reason: str
    out_of_memory: bool = False


def in_words(error: BaseException) -> str:
    """The reason of a failure row."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:500]


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory is short, the host's or an accelerator's."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    )
