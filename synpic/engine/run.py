"""Running tasks on one device: one after another, or taking turns."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from synpic.engine.device import older_objects_left_alone
from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.running_task import RunningTask
from synpic.engine.task import Task

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
        listener: called with each event of progress.
        stop: when set, the current batch is finished and kept, and the rest left.
        together: all tasks are opened at once and take turns, a batch each, so that what they need
            of an image is made once. One for which the device has no room is put off until the
            others are done.

    Returns:
        The result of each. One that is broken does not stop the others.

    Raises:
        StorageError: the disk is full; what was made before is kept.
        DeviceLost: nothing can be done on the device any more; likewise.
    """
    stop = stop or threading.Event()
    seed = random.random()
    begun: list[RunningTask] = []
    waiting = [RunningTask(task, device, listener, stop, seed) for task in tasks]
    # All of a run: what a model leaves after its end is found at the end of the next.
    with older_objects_left_alone():
        while waiting and not (begun and stop.is_set()):
            company = waiting if together else waiting[:1]
            begun += [running for running in company if running not in begun]
            _take_turns(company)
            waiting = [one for one in company if one.put_off] + waiting[len(company) :]
    report = Report(stage, [running.outcome for running in begun])
    report.stopped = stop.is_set() and not report.nothing_left(len(tasks))
    return report


def _take_turns(company: Sequence[RunningTask]) -> None:
    """Work through ``company`` until each has ended, or is put off."""
    at_work: list[RunningTask] = []
    try:
        for running in company:
            if running.open(alone=not at_work):
                at_work.append(running)
        while at_work:
            # The one furthest behind: all look at about the same images.
            running = min(at_work, key=lambda one: one.position)
            if not running.step(alone=len(at_work) == 1):
                at_work.remove(running)
    finally:
        for running in at_work:
            running.close()
