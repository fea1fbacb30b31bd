"""One task on its device: opened, a batch at a step, and ended in one of four ways.

It is done; it is stopped; it is broken; or it is put off, because the device has no room for it
beside others. Whatever the way, what was made is kept, and what was not is still to do.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from contextlib import ExitStack, closing

from synpic.engine.attempt import out_of_memory
from synpic.engine.device import environment, free_recent_memory, raise_if_lost
from synpic.engine.progress import Listener, Meter
from synpic.engine.task import Item, Key, Made, Task, Work
from synpic.engine.writing import PartWriter, environment_key
from synpic.errors import DeviceLost, SynpicError, WorkspaceError, causes

__all__ = ["RunningTask"]


class RunningTask:
    """A task that runs: :meth:`open`, then :meth:`step` until no batch is left.

    Args:
        stop: when set, the current batch is the last.
        seed: of the run: rewards that look at the same images go on at the same ones, when another
            command has made some.
    """

    def __init__(
        self,
        task: Task,
        device: str,
        listener: Listener | None,
        stop: threading.Event,
        seed: float = 0.0,
    ) -> None:
        self.outcome = task.outcome()
        self._task, self._device, self._stop = task, device, stop
        self._places = random.Random(seed)
        self._meter = Meter(task.stage, task.name, len(task.todo), listener, device, size=task.size)
        self._open = ExitStack()
        self._work: Work
        self._writer: PartWriter
        self._batches: deque[list[Item]]
        self._coming: list[Item] | None = None
        self._parts_seen = 0
        self._made: set[Key] = set()
        self._strayed = False
        """Whether what is coming is from anywhere in the list."""
        self.parts: set[str] = set()
        """The names of all parts that were written, once it has ended."""
        self.put_off = False
        """Whether it has ended because the device has no room for it beside others."""

    @property
    def position(self) -> int:
        """How far it has come in the list of what is wanted."""
        # Not where a batch from anywhere lies: others would hurry there, and leave it behind.
        ahead = self._batches[0] if self._batches else self._coming
        return ahead[0].position if ahead else 0

    @property
    def needs_more(self) -> bool:
        """Whether the current batch is the last that it has."""
        return not self._batches

    @property
    def suspicious(self) -> bool:
        """Whether batches from anywhere in the list should be tried: neighbours have failed."""
        return self._task.failures.suspicious()

    def add(self, batches: list[list[Item]], todo: set[Key]) -> None:
        """Take further batches from a scheduler, those from anywhere in the list last.

        Args:
            todo: what of them is to be done.
        """
        self._task.todo |= todo
        self._batches.extend(batches)
        self._work.expect(batches)

    def open(self, alone: bool) -> bool:
        """Get ready; whether there is anything to do, and room for it.

        Args:
            alone: nothing else is open on the device.
        """
        task = self._task
        self.put_off = False
        # Other tasks may have run for days since this one was made.
        task.note_others(self.parts)
        self._meter.total = self._meter.done + len(task.todo)
        if not task.todo or self._stop.is_set():
            self._end(None)
            return False
        self._meter.opening()
        surroundings = environment(self._device, task.opener.dtype)
        key = environment_key(surroundings)
        try:
            self._work = task.opener.open(self._device, key)
        except WorkspaceError:
            raise
        except SynpicError as error:
            raise_if_lost(error)
            if not alone and any(map(out_of_memory, causes(error))):
                self._put_off(error)
            else:
                self._end(error)
            return False
        self._open.enter_context(closing(self._work))
        output = task.output
        note = {**output.note, "environments": {key: surroundings}}
        self._writer = self._open.enter_context(
            PartWriter(output.workspace, output.folder, output.schema, note, output.part_rows)
        )
        self._open.enter_context(task.failures)
        self._batches = deque(task.batches)
        self._work.expect(task.batches)
        self._parts_seen = 0
        self._coming = self._draw()
        self._meter.begin()
        return True

    def step(self, alone: bool) -> bool:
        """Do a batch; whether there may be another.

        Args:
            alone: nothing else is open on the device.

        Raises:
            WorkspaceError: nothing can be written any more; what was made before is kept.
            DeviceLost: nothing can be done on the device any more; likewise.
        """
        try:
            stopped = self._stop.is_set()
            if not stopped and self._step(alone):
                return True
            if self.put_off:
                return False
            self._keep_what_was_held()
            if stopped:
                self._task.failures.forget_streak()
            self._let_go(None)
        except (WorkspaceError, DeviceLost) as error:
            self._let_go(error)
            raise
        except SynpicError as error:
            self._let_go(error)
            raise_if_lost(error)
            self._end(error)
            return False
        self._end(None)
        return False

    def close(self) -> None:
        """Keep what was made, and leave the rest: something else ended the run."""
        self._let_go(GeneratorExit())

    def _step(self, alone: bool) -> bool:
        task, failures = self._task, self._task.failures
        if self.suspicious and self._coming is not None and not self._strayed:
            # Not this one, but one from anywhere: perhaps its neighbours are to blame.
            self._batches.appendleft(self._coming)
            self._coming = self._draw()
        batch = self._coming
        while batch is not None and not task.missing(batch):
            batch = self._draw()
        if batch is None:
            self._keep_what_was_held()  # it may tell what the last batches had in common
            if failures.suspicious() and not (task.opener.proven or self._made):
                raise self._hopeless()
            return False
        missing = task.missing(batch)
        self._coming = self._draw()
        following = task.missing(self._coming) if self._coming is not None else []
        made = self._work.do(batch, missing, following)
        if made.starved and not alone:
            self._leave_room(made)
            return False
        failures.add(made.failed, made.succeeded)
        self._keep(made)
        task.todo.difference_update(map(task.key_of, missing))
        self._meter.remark = getattr(self._work, "note", None)
        self._meter.add(len(missing), len(made.failed), left=len(task.todo))
        if failures.hopeless():
            raise self._hopeless()
        return True

    def _draw(self) -> list[Item] | None:
        """The next batch, after a look around whenever a part of ours has been written."""
        if self._writer.begun > self._parts_seen:
            self._parts_seen = self._writer.begun
            if self._task.note_others(self.parts | self._writer.names):
                # Go on elsewhere, and come round: in step, both would make everything twice.
                self._batches.rotate(-int(self._places.random() * len(self._batches)))
        self._strayed = self.suspicious
        if not self._batches:
            return None
        if not self._strayed:
            return self._batches.popleft()
        # A scheduler leases neighbours, which may all have the same fault, and then adds others.
        place = -1 if self._task.leased else random.randrange(len(self._batches))
        batch = self._batches[place]
        del self._batches[place]
        return batch

    def _keep(self, made: Made) -> None:
        parts = self._writer.begun
        self._writer.add(made.rows)
        if self._writer.begun > parts:
            # About with the successes they came with, so that a kill loses few of either.
            self._task.failures.write()
        self._made.update(map(self._task.key_of_row, made.rows))

    def _keep_what_was_held(self) -> None:
        held = self._work.finish()
        self._task.failures.add(held.failed, held.succeeded)
        self._meter.failed += len(held.failed)
        self._keep(held)

    def _leave_room(self, made: Made) -> None:
        """Keep what was made, take back what is not safe yet, and end for now."""
        task = self._task
        self._keep(made)
        task.todo.difference_update(map(task.key_of_row, made.rows))
        task.todo.update(map(task.key_of_row, self._work.finish().rows))
        _, _, unsettled = task.failures.forget_streak()
        task.todo.update(
            task.key_of(item)
            for batch in task.batches
            for item in batch
            if item.candidate_id in unsettled
        )
        self._let_go(None)
        self._put_off(None)

    def _put_off(self, error: SynpicError | None) -> None:
        self.put_off = True
        self._forget(error)
        self._count()
        self._meter.tell("waiting", "no room beside the others")

    def _end(self, broken: SynpicError | None) -> None:
        self._forget(broken)
        self._count()
        if self.outcome.failed or self.outcome.left > self.outcome.other_shards:
            # Others may have done it since we looked last.
            self._task.note_others(self.parts)
            self._count()
        self.outcome.broken = broken
        self._meter.total = self._meter.done + len(self._task.todo)
        self._meter.end(broken)

    def _count(self) -> None:
        """What the workspace holds of our share, each piece once, from any process."""
        task, outcome = self._task, self.outcome
        outcome.made = len(self._made)
        outcome.by_others = len(task.theirs - self._made)
        written = set(map(task.name_of, self._made | task.theirs))
        outcome.failed = len(task.failures.added - written)

    def _let_go(self, error: BaseException | None) -> None:
        """Close model, writer and failures; without an error, whatever they still have to say."""
        kept, self._open = self._open, ExitStack()
        try:
            kept.__exit__(type(error) if error else None, error, None)
        finally:
            self._coming = None
            self.parts |= self._writer.names | self._task.failures.written

    def _forget(self, error: SynpicError | None) -> None:
        # Without its frames, which hold the model: the next one needs the room.
        if error is not None:
            error.__cause__ = error.__context__ = None
            error.with_traceback(None)
        self.__dict__.pop("_work", None)
        free_recent_memory()

    def _hopeless(self) -> SynpicError:
        batches, reason, _ = self._task.failures.forget_streak()
        return self._task.opener.error(
            f"{batches} batches in a row failed in every image: {reason}",
            hint="try one image by hand to see why; nothing of these batches was recorded, so the "
            "next run takes them up again",
        )
