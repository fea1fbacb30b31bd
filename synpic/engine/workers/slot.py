"""A worker slot: what its worker leases, and what went wrong there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from synpic.engine.workers.worker import Want
from synpic.errors import SynpicError

__all__ = ["Call", "Lease", "OrphanedLease", "Slot"]

Call = Literal["start", "rest", "open", "work", "finish"]


@dataclass
class Lease:
    """Batches of a task, by number, that are a worker's to do.

    Args:
        sent: those that it knows of.
        ahead: those that it gets when it asks for more: it has other tasks' work on their images.
    """

    sent: list[int] = field(default_factory=list)
    ahead: list[int] = field(default_factory=list)


@dataclass
class Slot:
    """A place for a worker; when one dies, another takes it.

    Args:
        call: in flight.
        leases: by task: what it works on.
        to_open: tasks of these that are not open yet.
        wants: what it gets with the next call.
        alone: it has a suspect batch, and gets no other.
        empty: it has no worker, and gets none any more.
        late: why its worker was killed.
        broken: tasks that did not work here, each with why.
        apart: tasks that this device has no room for beside others.
        openings: how many workers died opening a task.
        deaths: in a row at a task, without anything done; under None, those without a task.
        troubles: how many workers in a row ended because of the disk, without anything done.
    """

    call: Call | None = None
    leases: dict[int, Lease] = field(default_factory=dict)
    to_open: list[int] = field(default_factory=list)
    wants: list[Want] = field(default_factory=list)
    alone: bool = False
    empty: bool = False
    late: str | None = None
    broken: dict[int, SynpicError] = field(default_factory=dict)
    apart: set[int] = field(default_factory=set)
    openings: Counter[int] = field(default_factory=Counter)
    deaths: Counter[int | None] = field(default_factory=Counter)
    troubles: int = 0


@dataclass(eq=False)
class OrphanedLease:
    """What a worker had of a task, and no longer has.

    Args:
        due: when the workspace can be asked what of it is done.
        parts: names of those that it is known to have written.
        died: with the worker that held it, and may be why.
        how: it ended.
    """

    slot: int
    task: int
    lease: Lease
    due: float
    parts: tuple[str, ...] = ()
    died: bool = False
    how: str = ""
