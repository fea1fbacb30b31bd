"""What workers and their foreman say to each other. Everything here pickles.

A worker asks for a :class:`Job`, and for batches of it until none come; then it says how each task
of the job ended, and asks for the next. All it makes, it writes into the workspace itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from synpic.engine.progress import Event
from synpic.engine.task import Key, Row
from synpic.errors import SynpicError

__all__ = [
    "Answer",
    "Batch",
    "Chunk",
    "Ended",
    "Go",
    "Job",
    "Message",
    "More",
    "Next",
    "Stop",
    "Told",
    "Unable",
]

Batch = list[Row]


@dataclass(frozen=True)
class Next:
    """The worker has nothing to do; answered by a :class:`Job` or :class:`Go`, in time."""


@dataclass(frozen=True)
class More:
    """The worker wants batches of a task of its job; answered by :class:`Chunk` at once.

    Args:
        anywhere: one batch, from anywhere in the list: its neighbours fail, and it is to be seen
            whether others do.
    """

    task: int
    anywhere: bool = False


@dataclass(frozen=True)
class Told:
    """How far the worker is with a task."""

    task: int
    event: Event


@dataclass(frozen=True)
class Ended:
    """All that the worker was given of a task is written, or left.

    Args:
        broken: why it was left.
        put_off: the device had no room for it beside the other tasks of the job.
        parts: names of those that were written: a folder's listing may show them late.
    """

    task: int
    broken: SynpicError | None = None
    put_off: bool = False
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unable:
    """The worker cannot go on.

    Args:
        everywhere: and neither can any other: the disk is full.
    """

    error: SynpicError
    everywhere: bool


Message = Next | More | Told | Ended | Unable


@dataclass(frozen=True)
class Job:
    """Tasks to open together, by their numbers; which have worked before."""

    tasks: tuple[int, ...]
    proven: frozenset[int]


@dataclass(frozen=True)
class Chunk:
    """Batches of a task, and what of them is to be done; none: there are no more for now."""

    batches: list[Batch]
    todo: set[Key]


@dataclass(frozen=True)
class Go:
    """There is nothing more to do."""


@dataclass(frozen=True)
class Stop:
    """End after the batch in hand. It answers nothing, and comes at any time."""


Answer = Job | Chunk | Go | Stop
