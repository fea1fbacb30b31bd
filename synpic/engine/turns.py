"""One task, worked through a batch at a turn, so that several may take turns."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing

from synpic.engine.attempt import out_of_memory
from synpic.engine.device import environment, free_memory
from synpic.engine.progress import Listener, Meter
from synpic.engine.report import Outcome
from synpic.engine.task import Row, Task, Work
from synpic.engine.writing import PartWriter, environment_key, walk
from synpic.errors import SynpicError, WorkspaceError

__all__ = ["NoRoom", "Turns"]


class NoRoom(Exception):
    """The device has no room for this task while others are open."""


class Turns:
    """The turns of one task: :meth:`open`, then :meth:`take` until it says that there are no more.

    Args:
        stop: when set, the turn in hand is the last.
    """

    def __init__(
        self, task: Task, device: str, listener: Listener | None, stop: threading.Event
    ) -> None:
        self.outcome = Outcome(task.name, task.wanted, already=task.already)
        self._task, self._device, self._stop = task, device, stop
        self._meter = Meter(task.stage, task.name, len(task.todo), listener)
        self._turns: Generator[None] | None = None
        self._left = 0
        self._alone = True

    @property
    def passed(self) -> int:
        """How far it is in the list of what is wanted, about."""
        return self._task.wanted - self._left

    def open(self, alone: bool) -> bool:
        """Get ready; whether there is anything to do.

        Args:
            alone: nothing else is open on the device.

        Raises:
            NoRoom: memory is short, and would be there if it were alone.
        """
        task = self._task
        # Other tasks may have run for days since this one was made.
        task.note_others(set())
        self._left = len(task.todo)
        if not task.todo or self._stop.is_set():
            self._end()
            return False
        self._meter.tell("opening")
        surroundings = environment(self._device, task.dtype)
        key = environment_key(surroundings)
        try:
            work = task.open(self._device, key)
        except WorkspaceError:
            raise
        except SynpicError as error:
            if not alone and any(map(out_of_memory, _causes(error))):
                self._forget(error)
                raise NoRoom from None
            self._end(error)
            return False
        self._turns = self._work(work, {**task.note, "environments": {key: surroundings}})
        return True

    def take(self, alone: bool) -> bool:
        """Do a batch; whether there may be another.

        Args:
            alone: nothing else is open on the device.

        Raises:
            NoRoom: memory is short, and would be there if it were alone.
            WorkspaceError: nothing can be written any more; what was made before is kept.
        """
        assert self._turns is not None
        self._alone = alone
        try:
            next(self._turns)
        except StopIteration:
            self._end()
            return False
        except WorkspaceError:
            self._turns = None
            raise
        except NoRoom as error:
            self._forget(error)
            raise
        except SynpicError as error:
            self._end(error)
            return False
        return True

    def close(self) -> None:
        """Keep what was made, and leave the rest."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.close()

    def _end(self, broken: SynpicError | None = None) -> None:
        if broken is not None:
            self._forget(broken)
        self.outcome.broken = broken
        self._turns = None
        free_memory()
        self.outcome.by_others = self._task.by_others
        self._meter.end(broken)

    def _forget(self, error: BaseException) -> None:
        # Without its frames, which hold the model: the next one needs the room.
        error.__cause__ = error.__context__ = None
        error.with_traceback(None)
        self._turns = None
        free_memory()

    def _work(self, work: Work, note: Mapping[str, object]) -> Generator[None]:
        task, outcome, stop = self._task, self.outcome, self._stop
        self._meter.begin()
        with (
            closing(work),
            PartWriter(task.workspace, task.folder, task.schema, note, task.part_rows) as writer,
            task.failures as failures,
        ):
            begun = 0
            walked = walk(task.batches, writer, task.note_others, failures.suspicious)
            try:
                for batch, following in _with_next(walked):
                    if stop.is_set():
                        failures.forget_streak()
                        break
                    missing = task.missing(batch)
                    if following is not None:
                        work.soon(task.missing(following))
                    if not missing:
                        continue
                    made = work.do(batch, missing)
                    if made.starved and not self._alone:
                        # What was held back goes with the model, and is done again.
                        task.todo.update(map(task.key_of, work.finish()))
                        raise NoRoom
                    failures.add(made.failed, made.succeeded)
                    writer.add(made.rows)
                    if len(writer.begun) > begun:
                        # About with the successes they came with, so that a kill loses few.
                        begun = len(writer.begun)
                        failures.write()
                    outcome.made += len(made.rows)
                    task.todo.difference_update(map(task.key_of, missing))
                    self._left = len(task.todo)
                    self._meter.add(len(missing), len(made.failed), left=self._left)
                    if failures.hopeless():
                        raise _hopeless(task, *failures.forget_streak())
                    yield
                if failures.suspicious() and not (task.proven or outcome.made):
                    raise _hopeless(task, *failures.forget_streak())
                held = work.finish()
                writer.add(held)
                outcome.made += len(held)
            finally:
                outcome.failed = failures.count


def _with_next(batches: Iterable[list[Row]]) -> Iterator[tuple[list[Row], list[Row] | None]]:
    """Each batch with the one that follows it."""
    walked = iter(batches)
    batch = next(walked, None)
    while batch is not None:
        following = next(walked, None)
        yield batch, following
        batch = following


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _hopeless(task: Task, batches: int, reason: str) -> SynpicError:
    return task.error(
        f"{task.name}: {batches} batches in a row failed in every image: {reason}",
        hint="try one image by hand to see why; nothing of these batches was recorded, so the next "
        "run takes them up again",
    )
