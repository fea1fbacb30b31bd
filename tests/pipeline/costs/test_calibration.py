"""Calibration by fakes whose pace is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from synpic import Workspace
from synpic.engine.progress import Event
from synpic.engine.shard import WHOLE
from synpic.engine.task import Item, Made, Row, Task
from synpic.errors import ModelError, Stopped
from synpic.pipeline.costs.calibration import Timing, time_task
from synpic.pipeline.inventory import take_inventory


class FakeWork:
    """Takes its time, in made-up seconds, and hands rows over a batch late."""

    def __init__(self, clock: Clock, paces: Sequence[float], drain: float = 0.0) -> None:
        self.clock, self.paces, self.drain = clock, list(paces), drain
        self.held: list[Row] = []
        self.said: list[Any] = []

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        self.said.append(("expect", len(batches)))

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        assert missing == batch
        self.said.append(("do", len(batch), len(following)))
        self.clock.now += self.paces.pop(0)
        held, self.held = (
            self.held,
            [{"image": {"bytes": b"12345"}, "batch_size": len(batch)}] * (len(batch)),
        )
        return Made(held, {}, len(held))

    def finish(self) -> Made:
        self.clock.now += self.drain
        held, self.held = self.held, []
        return Made(held, {}, len(held))

    def close(self) -> None:
        self.said.append("close")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def task(workspace: Workspace) -> Task:
    from synpic.generate.drawing_task import drawing_task

    inventory = take_inventory(workspace)
    (model, _) = inventory.models
    want = model.wanted(inventory.recipe, inventory.prompts)
    return drawing_task(inventory.snapshot, model, want, WHOLE, retry_failed=False)  # type: ignore[arg-type]


def calibrated(
    task: Task, clock: Clock, work: FakeWork, opening: float, **more: Any
) -> tuple[Timing, list[Row]]:
    def open_(device: str, key: str) -> FakeWork:
        clock.now += opening
        return work

    task.opener = replace(task.opener, open=open_)
    return time_task(task, task.batches, "cpu", **more)


def test_the_first_batch_warms_up(task: Task, clock: Clock) -> None:
    work = FakeWork(clock, [30.0, 8.0, 5.0], drain=0.5)
    timing, rows = calibrated(task, clock, work, opening=20.0, keep=7)
    # Batches of 4, 4 and 2: 13 s for six images.
    assert timing.batches == ((4, 8.0), (2, 5.0))
    assert timing.seconds_per_image == pytest.approx(13 / 6)
    assert timing.images_per_second == pytest.approx(6 / 13)
    assert (timing.fastest, timing.slowest) == (2.0, 2.5)
    assert timing.spread == pytest.approx(0.5 / (13 / 6))
    # What it took to open, and what the first took longer than four images should.
    assert timing.opening == pytest.approx(20 + 30 - 4 * 13 / 6)
    assert timing.bytes_per_image == 5
    assert timing.batch_size == 2
    assert timing.failed == 0
    assert len(rows) == 7
    assert work.said == [("do", 4, 4), ("do", 4, 2), ("do", 2, 0), "close"]


def test_where_encoding_is_slower_it_sets_the_pace(task: Task, clock: Clock) -> None:
    # Threads encode at 3 s an image what the device draws at 1 s: they end 30 s after the first
    # batch was there, of which the device is at work for six.
    timing, _ = calibrated(task, clock, FakeWork(clock, [4.0, 4.0, 2.0], drain=24.0), opening=0.0)
    assert timing.seconds_per_image == pytest.approx(3.0)
    assert timing.opening == 0


def test_progress_is_told_and_a_stop_heard(task: Task, clock: Clock) -> None:
    told: list[Event] = []
    stop = threading.Event()

    def listener(event: Event) -> None:
        told.append(event)
        if event.done == 4:
            stop.set()

    work = FakeWork(clock, [1.0, 1.0, 1.0])
    with pytest.raises(Stopped):
        calibrated(task, clock, work, 1.0, listener=listener, stop=stop)
    assert [(e.stage, e.name, e.state, e.done, e.total) for e in told[:3]] == [
        ("plan", "a", "opening", 0, 10),
        ("plan", "a", "working", 0, 10),
        ("plan", "a", "working", 4, 10),
    ]
    assert all(event.memory for event in told)
    assert work.said[-1] == "close"


def test_nothing_at_all_is_an_error(task: Task, clock: Clock) -> None:
    class Barren(FakeWork):
        def do(self, batch: Sequence[Row], *rest: Any) -> Made:
            return Made([], {one.candidate_id: "MemoryError: out of memory" for one in batch}, 0)

    with pytest.raises(ModelError, match="a: all of 10 images failed: MemoryError") as caught:
        calibrated(task, clock, Barren(clock, []), 0.0)
    assert caught.value.hint == "this device has no room for one image alone"


def test_an_error_lets_go_of_the_model(task: Task) -> None:
    import weakref

    class Model:
        pass

    seen: list[Any] = []

    def open_(device: str, key: str) -> Any:
        model = Model()
        seen.append(weakref.ref(model))
        try:
            raise ValueError("no weights")
        except ValueError as error:
            raise ModelError("cannot be opened") from error

    task.opener = replace(task.opener, open=open_)
    with pytest.raises(ModelError, match="cannot be opened") as caught:
        time_task(task, task.batches, "cpu")
    assert seen[0]() is None
    assert caught.value.__cause__ is None
