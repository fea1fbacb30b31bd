"""Running tasks on one device: one after another, or taking turns."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.task import Task
from synpic.engine.turns import NoRoom, Turns

__all__ = ["run_tasks"]


def run_tasks(
    stage: str,
    tasks: Sequence[Task],
    device: str,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    together: bool = False,
) -> Report:
    """Do everything that ``tasks`` are missing, on ``device``.

    Args:
        listener: is told of progress.
        stop: when set, the batch in hand is finished and kept, and the rest left.
        together: all tasks are opened at once and take turns, a batch each, so that what they need
            of an image is made once. One for which the device has no room is put off until the
            others are done.

    Returns:
        What came of each. One that is broken does not stop the others.

    Raises:
        StorageError: the disk is full; what was made before is kept.
    """
    stop = stop or threading.Event()
    begun: list[Turns] = []
    waiting = [Turns(task, device, listener, stop) for task in tasks]
    while waiting:
        company = waiting if together else waiting[:1]
        begun += [turns for turns in company if turns not in begun]
        waiting = _take_turns(company) + waiting[len(company) :]
        if stop.is_set():
            break
    report = Report(stage, [turns.outcome for turns in begun])
    report.stopped = stop.is_set() and not report.complete(len(tasks))
    return report


def _take_turns(company: Sequence[Turns]) -> list[Turns]:
    """Work through ``company`` until each has ended; those for which there was no room."""
    at_work: list[Turns] = []
    put_off: list[Turns] = []
    try:
        for turns in company:
            try:
                if turns.open(alone=not at_work):
                    at_work.append(turns)
            except NoRoom:
                put_off.append(turns)
        while at_work:
            # Whoever is furthest behind: all look at about the same images.
            turns = min(at_work, key=lambda one: one.passed)
            try:
                going_on = turns.take(alone=len(at_work) == 1)
            except NoRoom:
                put_off.append(turns)
                going_on = False
            if not going_on:
                at_work.remove(turns)
    finally:
        for turns in at_work:
            turns.close()
    return put_off
