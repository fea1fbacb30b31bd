"""Leading a crew: starting workers, passing on what they and their foreman say, until all is done.

What kinds of crews have in common. One is of processes here, one of actors on a cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from synpic.display import duration
from synpic.engine.foreman import Foreman
from synpic.engine.messages import Answer, Job, Message, Stop
from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.task import Task
from synpic.engine.watch import Watch, shortest_deadline
from synpic.hub.retry import patience_of_readers

__all__ = ["Crew", "Gone", "conduct"]

SECONDS_BETWEEN_LOOKS = 20.0


@dataclass(frozen=True)
class Gone:
    """A worker has ended, all that it said before has been heard.

    Args:
        how: "exit code -9".
    """

    how: str


class Crew(Protocol):
    """Workers in seats, numbered from 0."""

    @property
    def seats(self) -> int:
        """How many."""
        ...

    @property
    def late(self) -> float:
        """Seconds in which the workspace may not show here what a worker wrote."""
        ...

    def start(self, seat: int) -> None:
        """Start a worker for this seat."""
        ...

    def send(self, seat: int, answer: Answer) -> None:
        """Tell the worker in this seat; nothing happens if it is gone."""
        ...

    def receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        """What workers say, in the order in which each says it; [] after so long a silence."""
        ...

    def stopped(self, seat: int) -> bool:
        """Whether the worker in this seat is known not to run: a signal has stopped it."""
        ...

    def end(self, seat: int) -> None:
        """End the worker in this seat, at once; :class:`Gone` comes of it."""
        ...

    def close(self) -> None:
        """End every worker that is left, at once."""
        ...


def conduct(
    crew: Crew,
    stage: str,
    tasks: Sequence[Task],
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    together: bool = False,
) -> Report:
    """Have ``crew`` do everything that ``tasks`` are missing; for the rest as ``run_tasks``.

    Raises:
        StorageError: the disk is full, or stays away; what was made before is kept.
    """
    stop = stop or threading.Event()
    foreman = Foreman(tasks, crew.seats, together, listener, crew.late)
    watch = Watch(shortest_deadline(), patience_of_readers().limit)
    late: dict[int, str] = {}
    at_work = set(range(crew.seats))
    silent = set(at_work)
    told = False
    looked = time.monotonic()
    try:
        for seat in at_work:
            watch.started(seat)
            crew.start(seat)
        # Whoever has not come yet, and for whom there is nothing any more, is not waited for.
        while at_work - silent or (at_work and not foreman.idle):
            if (stop.is_set() or foreman.error) and not told:
                told = True
                foreman.stop()
                for seat in at_work:
                    crew.send(seat, Stop())
            for seat, said in crew.receive(0.5):
                if not isinstance(said, Gone):
                    silent.discard(seat)
                    watch.heard(seat, said)
                    foreman.hear(seat, said)
                elif foreman.lost(seat, late.pop(seat, said.how)):
                    silent.add(seat)
                    watch.started(seat)
                    crew.start(seat)
                else:
                    at_work.discard(seat)
            for seat, answer in foreman.answers():
                if isinstance(answer, Job):
                    watch.given(seat, answer)
                crew.send(seat, answer)
            watch.turn()
            for seat, silence in watch.late(crew.stopped):
                late[seat] = f"nothing was heard of it for {duration(silence)}, and it was killed"
                crew.end(seat)
            if time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
                foreman.look_around()
                looked = time.monotonic()
    finally:
        crew.close()
    outcomes = [] if foreman.error else foreman.outcomes()
    if foreman.error is not None:
        raise foreman.error
    report = Report(stage, outcomes, remarks=foreman.remarks)
    report.stopped = stop.is_set() and not report.nothing_left(len(tasks))
    return report
