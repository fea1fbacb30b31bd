"""A worker slot: what its worker leases, and what went wrong there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from synpic.engine.workers.task_queue import Lease
from synpic.engine.workers.worker import Chunk, Progress
from synpic.errors import SynpicError

__all__ = ["Call", "Slot"]

Call = Literal["start", "open", "work", "finish"]


@dataclass
class Slot:
    """A place for a worker; when one dies, another takes it.

    Args:
        call: in flight.
        last: what the call before it returned.
        leases: by task: what it works on.
        to_open: tasks of these that are not open yet, with the first chunks of each.
        alone: it has a suspect batch, and gets no other.
        empty: it has no worker, and gets none any more.
        late: why its worker was killed.
        broken: tasks that did not work here, each with why.
        apart: tasks that this device has no room for beside others.
        deaths: in a row at a task, without anything done; under None, those without a task.
    """

    call: Call | None = None
    last: Progress = field(default_factory=Progress)
    leases: dict[int, Lease] = field(default_factory=dict)
    to_open: dict[int, Chunk] = field(default_factory=dict)
    alone: bool = False
    empty: bool = False
    late: str | None = None
    broken: dict[int, SynpicError] = field(default_factory=dict)
    apart: set[int] = field(default_factory=set)
    deaths: Counter[int | None] = field(default_factory=Counter)
