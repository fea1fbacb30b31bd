"""A worker that says nothing is late when its batches never took so long; and no sooner."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from synpic.engine.messages import Ended, Job, More, Next, Told
from synpic.engine.progress import Event
from synpic.engine.watch import FIRST, TIMES, Watch, shortest_deadline
from synpic.errors import SynpicError


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Run:
    """A watch over workers, and time that passes as in the command's loop."""

    def __init__(self, waits: float = 0.0) -> None:
        self.time = Time()
        self.watch = Watch(60.0, waits, self.time)
        self.stopped: set[int] = set()
        self.late: list[int] = []

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.time.now += 1
            self.watch.turn()
            self.late += [seat for seat, _ in self.watch.late(self.stopped.__contains__)]

    def says(self, seat: int, state: str, task: int = 0) -> None:
        self.watch.heard(seat, Told(task, Event("generate", "a", state, 0, 9)))

    def begin(self, seat: int, *tasks: int) -> None:
        self.watch.started(seat)
        self.watch.heard(seat, Next())
        self.watch.given(seat, Job(tasks, frozenset()))
        for task in tasks:
            self.watch.heard(seat, More(task))
            self.says(seat, "opening", task)
            self.says(seat, "working", task)

    def batches(self, seat: int, number: int, seconds: int, task: int = 0) -> None:
        for _ in range(number):
            self.passes(seconds)
            self.says(seat, "working", task)


def test_a_silent_worker_is_late_after_the_shortest_deadline_once() -> None:
    run = Run()
    run.begin(0, 0)
    run.batches(0, 3, seconds=1)
    run.passes(60)
    assert run.late == []
    run.passes(100)
    assert run.late == [0]


def test_slow_batches_have_a_later_deadline_and_one_slow_task_has_its_own() -> None:
    run = Run()
    run.begin(0, 0)
    run.begin(1, 1)
    run.batches(0, 20, seconds=1)
    run.batches(1, 3, seconds=10, task=1)  # the first took 30 s, the others 10
    run.passes(TIMES * 10)
    assert run.late == [0]
    run.passes(1)
    assert run.late == [0, 1]


@pytest.mark.parametrize("stage", ["starting", "opening", "first batch"])
def test_what_has_no_known_time_is_late_only_if_it_is_stopped(stage: str) -> None:
    run = Run()
    run.watch.started(0)
    if stage != "starting":
        run.watch.heard(0, Next())
        run.watch.given(0, Job((0,), frozenset()))
        run.says(0, "opening")
    if stage == "first batch":
        run.says(0, "working")
    run.passes(100_000)
    assert run.late == []
    run.stopped = {0}
    run.passes(1)
    assert run.late == [0]


def test_what_others_took_is_known_of_a_first_batch_too() -> None:
    run = Run()
    run.begin(0, 0)
    run.batches(0, 1, seconds=1)
    run.watch.heard(0, Ended(0))
    run.watch.heard(0, Next())
    run.begin(1, 0)
    run.passes(FIRST * 60)
    assert run.late == []
    run.passes(1)
    assert run.late == [1]


def test_a_worker_without_work_may_be_silent() -> None:
    run = Run()
    run.begin(0, 0)
    run.batches(0, 3, seconds=1)
    run.watch.heard(0, Ended(0))
    run.watch.heard(0, Next())
    run.stopped = {0}
    run.passes(1000)
    assert run.late == []


def test_waits_for_the_hub_are_no_silence() -> None:
    run = Run(waits=300)
    run.begin(0, 0)
    run.batches(0, 3, seconds=1)
    run.passes(359)
    assert run.late == []
    run.passes(2)
    assert run.late == [0]


def test_a_command_that_was_stopped_and_goes_on_blames_no_worker() -> None:
    run = Run()
    run.begin(0, 0)
    run.batches(0, 3, seconds=1)
    run.time.now += 100_000
    run.passes(50)
    assert run.late == []


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_deadline_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNPIC_WORKER_DEADLINE", text)
    with pytest.raises(SynpicError, match="SYNPIC_WORKER_DEADLINE"):
        shortest_deadline()
