"""A call that does not end is late when batches never took so long; and no sooner."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from synpic.engine.workers.deadlines import FIRST, TIMES, Deadlines, shortest_deadline
from synpic.engine.workers.engines import Engine, run_on
from synpic.errors import SynpicError
from tests.engine.workers.simulated import task


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Run:
    """Deadlines of calls, and time that passes as in the command's loop."""

    def __init__(self, waits: float = 0.0) -> None:
        self.time = Time()
        self.deadlines = Deadlines(60.0, waits, self.time)
        self.stopped: set[int] = set()
        self.late: list[int] = []

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.time.now += 1
            self.late += [slot for slot, _ in self.deadlines.late(self.stopped.__contains__)]

    def works(self, slot: int, batches: int, seconds: int, task: int = 0) -> None:
        """Do batches, each in a call of this number of seconds, and begin another."""
        for _ in range(batches):
            self.deadlines.begin(slot, [task])
            self.passes(seconds)
            self.deadlines.end(slot, {task: 1})
        self.deadlines.begin(slot, [task])


def test_a_call_is_late_after_the_shortest_deadline_once() -> None:
    run = Run()
    run.works(0, 3, seconds=1)
    run.passes(60)
    assert run.late == []
    run.passes(100)
    assert run.late == [0]


def test_slow_batches_have_a_later_deadline_and_one_slow_task_has_its_own() -> None:
    run = Run()
    run.works(1, 3, seconds=10, task=1)
    run.works(0, 3, seconds=1)
    run.deadlines.begin(1, [1])
    run.passes(TIMES * 10)
    assert run.late == [0]
    run.passes(1)
    assert run.late == [0, 1]


def test_many_batches_of_one_call_are_counted_each() -> None:
    run = Run()
    run.deadlines.begin(0, [0])
    run.passes(40)
    run.deadlines.end(0, {0: 40})
    run.works(0, 0, seconds=0)
    run.passes(60)
    assert run.late == []
    run.passes(1)
    assert run.late == [0]


@pytest.mark.parametrize("stage", ["starting", "opening", "first batch"])
def test_what_has_no_known_time_is_late_only_if_its_worker_is_stopped(stage: str) -> None:
    run = Run()
    run.deadlines.begin(0)
    if stage != "starting":
        run.deadlines.end(0, {})
        run.deadlines.begin(0)
    if stage == "first batch":
        run.deadlines.end(0, {})
        run.deadlines.begin(0, [0])
    run.passes(100_000)
    assert run.late == []
    run.stopped = {0}
    run.passes(1)
    assert run.late == [0]


def test_a_first_batch_has_more_time() -> None:
    run = Run()
    run.works(0, 1, seconds=1)
    run.deadlines.end(0, {})
    run.deadlines.begin(1)
    run.deadlines.end(1, {})
    run.deadlines.begin(1, [0])
    run.passes(FIRST * 60)
    assert run.late == []
    run.passes(1)
    assert run.late == [1]


def test_a_worker_without_a_call_is_never_late() -> None:
    run = Run()
    run.works(0, 3, seconds=1)
    run.deadlines.end(0, {})
    run.stopped = {0}
    run.passes(1000)
    assert run.late == []


def test_waits_for_the_hub_are_no_silence() -> None:
    run = Run(waits=300)
    run.works(0, 3, seconds=1)
    run.passes(360)
    assert run.late == []
    run.passes(1)
    assert run.late == [0]


def test_a_command_that_was_stopped_and_goes_on_blames_no_worker() -> None:
    run = Run()
    run.works(0, 3, seconds=1)
    run.time.now += 100_000
    run.passes(50)
    assert run.late == []


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_deadline_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNPIC_WORKER_DEADLINE", text)
    with pytest.raises(SynpicError, match="SYNPIC_WORKER_DEADLINE"):
        shortest_deadline()


@pytest.mark.parametrize(("engine", "pool"), [("local", "LocalPool"), ("ray", "RayPool")])
def test_a_deadline_that_is_none_starts_no_worker(
    engine: str, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it join a cluster."""
    made: list[str] = []
    monkeypatch.setattr(
        f"synpic.engine.workers.{engine}_pool.{pool}", lambda *_, **__: made.append(pool)
    )
    monkeypatch.setattr("synpic.engine.workers.engines._require_shared", lambda tasks: None)
    monkeypatch.setenv("SYNPIC_WORKER_DEADLINE", "soon")
    device = "cpu" if engine == "local" else None
    with pytest.raises(SynpicError, match="SYNPIC_WORKER_DEADLINE"):
        run_on(Engine(engine, workers=2), "generate", [task("a", 8)[0]], device)
    assert made == []
