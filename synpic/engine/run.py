"""Running tasks on one device: one after another, or taking turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.running_task import Jumps, NoRoom, RunningTask
from synpic.engine.task import Task

__all__ = ["run_tasks", "take_turns"]


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
    jumps = Jumps()
    begun: list[RunningTask] = []
    waiting = [RunningTask(task, device, listener, stop, jumps) for task in tasks]
    while waiting and not (begun and stop.is_set()):
        company = waiting if together else waiting[:1]
        begun += [running for running in company if running not in begun]
        waiting = take_turns(company) + waiting[len(company) :]
    report = Report(stage, [running.outcome for running in begun])
    report.stopped = stop.is_set() and not report.nothing_left(len(tasks))
    return report


def take_turns(
    company: Sequence[RunningTask],
    ended: Callable[[RunningTask, bool], None] = lambda running, no: None,
) -> list[RunningTask]:
    """Work through ``company`` until each has ended; those for which there was no room.

    Args:
        ended: called for each as soon as it has ended, and whether there was no room for it.
    """
    at_work: list[RunningTask] = []
    put_off: list[RunningTask] = []
    try:
        for running in company:
            try:
                if running.open(alone=not at_work):
                    at_work.append(running)
                else:
                    ended(running, False)
            except NoRoom:
                put_off.append(running)
                ended(running, True)
        while at_work:
            # Whoever is furthest behind: all look at about the same images.
            running = min(at_work, key=lambda one: one.position)
            try:
                if running.step(alone=len(at_work) == 1):
                    continue
                at_work.remove(running)
                ended(running, False)
            except NoRoom:
                at_work.remove(running)
                put_off.append(running)
                ended(running, True)
    finally:
        for running in at_work:
            running.close()
    return put_off
