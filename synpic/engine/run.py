"""Running tasks, one after another, on one device."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from synpic.engine.device import environment, free_memory
from synpic.engine.progress import Listener, Meter
from synpic.engine.report import Outcome, Report
from synpic.engine.task import Task
from synpic.engine.writing import PartWriter, environment_key, walk
from synpic.errors import SynpicError, WorkspaceError

__all__ = ["run_tasks"]


def run_tasks(
    stage: str,
    tasks: Sequence[Task],
    device: str,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Do everything that ``tasks`` are missing, on ``device``.

    Args:
        listener: is told of progress.
        stop: when set, the batch in hand is finished and kept, and the rest left.

    Returns:
        What came of each. One that is broken does not stop the others.

    Raises:
        StorageError: the disk is full; what was made before is kept.
    """
    report = Report(stage)
    for task in tasks:
        report.outcomes.append(_run(task, device, listener, stop))
        if stop is not None and stop.is_set():
            break
    report.stopped = stop is not None and stop.is_set() and not report.complete(len(tasks))
    return report


def _run(
    task: Task, device: str, listener: Listener | None, stop: threading.Event | None
) -> Outcome:
    # Other tasks may have run for days since this one was made.
    task.note_others(set())
    outcome = Outcome(task.name, task.wanted, already=task.already)
    meter = Meter(task.stage, task.name, len(task.todo), listener)
    if task.todo and not (stop is not None and stop.is_set()):
        meter.tell("opening")
        surroundings = environment(device, task.dtype)
        try:
            _loop(task, device, surroundings, meter, outcome, stop)
        except WorkspaceError:
            raise
        except SynpicError as error:
            # Without its frames, which hold the model: the next one needs the room.
            error.__cause__ = error.__context__ = None
            outcome.broken = error.with_traceback(None)
        free_memory()
    outcome.by_others = task.by_others
    meter.end(outcome.broken)
    return outcome


def _loop(
    task: Task,
    device: str,
    surroundings: Mapping[str, object],
    meter: Meter,
    outcome: Outcome,
    stop: threading.Event | None,
) -> None:
    key = environment_key(surroundings)
    note = {**task.note, "environments": {key: surroundings}}
    work = task.open(device, key)
    if stop is not None and stop.is_set():
        return
    meter.begin()
    with (
        PartWriter(task.workspace, task.folder, task.schema, note, task.part_rows) as writer,
        task.failures as failures,
    ):
        begun = 0
        try:
            for batch in walk(task.batches, writer, task.note_others, failures.suspicious):
                missing = task.missing(batch)
                if not missing:
                    continue
                made = work.do(batch, missing)
                failures.add(made.failed, made.succeeded)
                writer.add(made.rows)
                if len(writer.begun) > begun:
                    # About with the successes they came with, so that a kill loses few of either.
                    begun = len(writer.begun)
                    failures.write()
                outcome.made += len(made.rows)
                task.todo.difference_update(map(task.key_of, missing))
                meter.add(len(missing), len(made.failed), left=len(task.todo))
                if failures.hopeless():
                    raise _hopeless(task, *failures.forget_streak())
                if stop is not None and stop.is_set():
                    failures.forget_streak()
                    break
            if failures.suspicious() and not (task.proven or outcome.made):
                raise _hopeless(task, *failures.forget_streak())
            held = work.finish()
            writer.add(held)
            outcome.made += len(held)
        finally:
            outcome.failed = failures.count


def _hopeless(task: Task, batches: int, reason: str) -> SynpicError:
    return task.error(
        f"{task.name}: {batches} batches in a row failed in every image: {reason}",
        hint="try one image by hand to see why; nothing of these batches was recorded, so the next "
        "run takes them up again",
    )
