"""Doing a batch whatever happens: smaller where memory is short, alone where one spoils it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from synpic.engine.device import free_memory, raise_if_lost
from synpic.errors import SynpicError

__all__ = ["Attempts", "Done", "Failed", "in_words", "out_of_memory"]

ItemT = TypeVar("ItemT")
T = TypeVar("T")

_NO_MEMORY = ("can't allocate memory", "out of memory")
"""What the CPU and MPS say, for which torch has no exception of its own."""


@dataclass(frozen=True)
class Done(Generic[ItemT, T]):
    """An item with its result.

    Args:
        batch_size: of the batch it was done in.
        seconds: its share of that batch's time.
    """

    item: ItemT
    result: T
    batch_size: int
    seconds: float


@dataclass(frozen=True)
class Failed(Generic[ItemT]):
    """An item without a result, and the reason.

    Args:
        starved: alone in its batch, it found no memory.
    """

    item: ItemT
    reason: str
    starved: bool = False


class Attempts(Generic[ItemT, T]):
    """Runs ``work`` on batches, and remembers how large one may be.

    Args:
        work: n items → n results. A SynpicError of its is raised on, and what the device does not
            survive as :class:`synpic.errors.DeviceLost`; anything else is about items.
        make_room: called when memory is short for a single item; whether there is more now.
    """

    def __init__(
        self,
        work: Callable[[Sequence[ItemT]], Sequence[T]],
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work, self._make_room = work, make_room
        self.limit: int | None = None
        """Items for which memory was found; None while no batch has been too large."""

    def run(self, items: Sequence[ItemT]) -> list[Done[ItemT, T] | Failed[ItemT]]:
        """Every item of ``items``, done or failed, in their order."""
        ended: list[Done[ItemT, T] | Failed[ItemT]] = []
        while len(ended) < len(items):
            ended += self._run(items[len(ended) :][: self.limit or len(items)])
        return ended

    def _run(self, items: Sequence[ItemT]) -> list[Done[ItemT, T] | Failed[ItemT]]:
        began = time.perf_counter()
        results, problem = self._try(items)
        if problem is None:
            seconds = (time.perf_counter() - began) / len(items)
            return [
                Done(item, result, len(items), seconds)
                for item, result in zip(items, results, strict=True)
            ]
        if len(items) == 1:
            if problem.starved and self._make_room():
                self.limit = None
                return self._run(items)
            return [problem]
        if problem.starved:
            self.limit = len(items) // 2
            return self.run(items)
        # One bad item spoils its batch: alone, each shows whether it was the one.
        return [ended for item in items for ended in self._run([item])]

    def _try(self, items: Sequence[ItemT]) -> tuple[Sequence[T], Failed[ItemT] | None]:
        # What went wrong is told in words, not raised further: an exception in flight would hold
        # on to the very tensors for which there was no room.
        try:
            results = self._work(items)
        except SynpicError:
            raise
        except (Exception, SystemExit) as error:
            # A reward or a family may be any code: what it raises is about these items.
            problem = Failed(items[0], in_words(error), out_of_memory(error))
            if not problem.starved:
                raise_if_lost(error)
        else:
            if len(results) == len(items):
                return results, None
            reason = f"{len(items)} results were asked for, {len(results)} came"
            problem = Failed(items[0], reason)
        if problem.starved:
            free_memory()
        return [], problem


def in_words(error: BaseException) -> str:
    """The reason of a failure item."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:500]


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory is short, the host's or an accelerator's."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    )
