"""Images of all callers in batches: one thread that has the device, and a queue for each reward."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from synpic.serve.asking import Scored, Unscored
from synpic.serve.metrics import ServerMetrics
from synpic.serve.pace import BatchPace
from synpic.serve.served import BatchImage, ServedReward

__all__ = ["Answers", "Batcher", "PendingRequest"]

Answers: TypeAlias = dict[str, list[Scored | Unscored]]


class PendingRequest:
    """One request whose images wait for the device.

    Args:
        images: reward → its images, as that reward takes them.
    """

    def __init__(self, images: Mapping[str, Sequence[BatchImage]]) -> None:
        self.images = images
        self.answer: Future[Answers] = Future()
        self._ends: dict[str, list[Any]] = {name: [None] * len(of) for name, of in images.items()}
        self._missing = sum(map(len, images.values()))

    def take(self, reward: str, place: int, end: Scored | Unscored) -> bool:
        """One more score; whether it was the last."""
        self._ends[reward][place] = end
        self._missing -= 1
        return not self._missing

    @property
    def whole(self) -> bool:
        """Whether all of it was scored."""
        return not self._missing

    def resolve(self) -> None:
        """Give all scores to who waits for them, if anyone still does."""
        with suppress(InvalidStateError):
            self.answer.set_result(self._ends)

    def fail(self, problem: BaseException) -> None:
        """Give an error instead."""
        with suppress(InvalidStateError):
            self.answer.set_exception(problem)


@dataclass(frozen=True, slots=True)
class _Queued:
    request: PendingRequest
    place: int
    since: float

    def ready(self, reward: str) -> BatchImage:
        return self.request.images[reward][self.place]


class Batcher:
    """Scores what is added, in the order of arrival, in batches of one reward each.

    Args:
        rewards: by name; used by this thread alone.
        deadline: seconds for which a batch that is not full waits for more.
        on_failure: called, in the device's thread, with what ended it.
    """

    def __init__(
        self,
        rewards: Mapping[str, ServedReward],
        deadline: float,
        metrics: ServerMetrics,
        on_failure: Callable[[BaseException], object] = lambda error: None,
    ) -> None:
        self._rewards, self._metrics, self._on_failure = rewards, metrics, on_failure
        self._pace = BatchPace(deadline)
        self._queues: dict[str, deque[_Queued]] = {name: deque() for name in rewards}
        self._changed = threading.Condition()
        self._ending = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)

    def start(self) -> None:
        """Begin; only once."""
        self._thread.start()

    def end(self, timeout: float) -> None:
        """Finish what is queued, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def expect(self) -> None:
        """A request was accepted, and will be added once its images are ready."""
        with self._changed:
            self._pace.began()

    def forget(self) -> None:
        """A request that was expected does not come."""
        with self._changed:
            self._pace.ended(was_ready=False)
            self._changed.notify()

    def add(self, request: PendingRequest) -> None:
        """Queue a request that was expected."""
        now = time.monotonic()
        with self._changed:
            if self._failure is not None:
                request.fail(self._failure)
                return
            for name, images in request.images.items():
                self._queues[name] += (_Queued(request, n, now) for n in range(len(images)))
            self._pace.ready()
            self._changed.notify()

    def drop(self, request: PendingRequest) -> None:
        """A request that was added is answered, or its caller is gone."""
        with self._changed:
            if not request.whole:
                # What it holds of memory is free for others, whatever the device is at.
                for name in request.images:
                    left = (one for one in self._queues[name] if one.request is not request)
                    self._queues[name] = deque(left)
            self._pace.ended(was_ready=True)
            self._changed.notify()

    def _run(self) -> None:
        batch: list[_Queued] = []
        try:
            while (chosen := self._next()) is not None:
                name, batch = chosen
                self._score(name, batch)
        except BaseException as error:
            # Whatever it is, callers wait.
            self._fail(error, batch)

    def _next(self) -> tuple[str, list[_Queued]] | None:
        with self._changed:
            while True:
                chosen, seconds = self._choose()
                if chosen is not None:
                    return chosen, self._take(chosen)
                if self._ending and seconds is None:
                    return None
                self._changed.wait(seconds)

    def _choose(self) -> tuple[str | None, float | None]:
        """The reward whose batch goes now; else how long to wait, None: until something comes."""
        oldest: dict[str, float] = {}
        for name, queue in self._queues.items():
            if queue:
                oldest[name] = queue[0].since
        # The one that has waited longest: two rewards of one request take turns.
        waits = {name: self._wait(name, since) for name, since in oldest.items()}
        due = [name for name in oldest if waits[name] <= 0]
        if due:
            return min(due, key=oldest.__getitem__), 0.0
        return None, min(waits.values(), default=None)

    def _wait(self, name: str, since: float) -> float:
        if self._ending or len(self._queues[name]) >= self._rewards[name].batch_size:
            return 0.0
        return self._pace.wait(since)

    def _take(self, name: str) -> list[_Queued]:
        queue = self._queues[name]
        return [queue.popleft() for _ in range(min(len(queue), self._rewards[name].batch_size))]

    def _score(self, name: str, batch: Sequence[_Queued]) -> None:
        began = time.monotonic()
        images = {id(image := one.ready(name)): (one, image) for one in batch}

        def wanted(image: BatchImage) -> bool:
            return not images[id(image)][0].request.answer.done()

        ends = self._rewards[name].score(name, [image for _, image in images.values()], wanted)
        failed = sum(isinstance(end, Unscored) for end in ends)
        self._metrics.batch(name, len(ends) - failed, failed, time.monotonic() - began)
        for one, end in zip(batch, ends, strict=True):
            if one.request.take(name, one.place, end):
                one.request.resolve()

    def _fail(self, error: BaseException, batch: Sequence[_Queued]) -> None:
        self._on_failure(error)
        with self._changed:
            self._failure = error
            for one in (*batch, *(one for queue in self._queues.values() for one in queue)):
                one.request.fail(error)
            for queue in self._queues.values():
                queue.clear()
