"""What a foreman knows of a place for a worker: what is in its hands, and what went wrong there.

And what one that has gone left behind, until the workspace tells what of it is done.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from synpic.errors import SynpicError

__all__ = ["Estate", "Hand", "Seat"]


@dataclass
class Hand:
    """What a worker has of one task.

    Args:
        given: batches that it was told of.
        coming: others that it is told of when it asks: their images are with it already.
        opened: it is past opening.
    """

    given: list[int] = field(default_factory=list)
    coming: list[int] = field(default_factory=list)
    opened: bool = False


@dataclass
class Seat:
    """A place for a worker; when one dies, another may take it.

    Args:
        asking: the worker waits for a job.
        job: what it does, by task.
        closed: nothing is added to its job: it has a suspect.
        left: it was sent home, or cannot go on.
        excused: the worker has said why it ends; another may take its place.
        broken: tasks that did not work here, each with why.
        apart: tasks that this device has no room for beside others.
        openings: how many workers died opening a task.
        deaths: in a row at a task, without anything done; under None, those without a job.
        troubles: how many workers in a row ended because of the disk, without anything done.
    """

    asking: bool = False
    job: dict[int, Hand] = field(default_factory=dict)
    closed: bool = False
    left: bool = False
    excused: bool = False
    broken: dict[int, SynpicError] = field(default_factory=dict)
    apart: set[int] = field(default_factory=set)
    openings: Counter[int] = field(default_factory=Counter)
    deaths: Counter[int | None] = field(default_factory=Counter)
    troubles: int = 0


@dataclass(eq=False)
class Estate:
    """What a worker had of a task, and has no more.

    Args:
        due: when the workspace can be asked what of it is done.
        parts: names of those that it is known to have written.
        died: with whoever held it, and may be why.
        how: it ended.
    """

    seat: int
    task: int
    hand: Hand
    due: float
    parts: tuple[str, ...] = ()
    died: bool = False
    how: str = ""
