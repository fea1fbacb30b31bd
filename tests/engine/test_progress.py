from __future__ import annotations

import pickle
import sys

import pytest

from synpic.engine import memory
from synpic.engine.progress import RECENT_SECONDS, Event, Meter
from synpic.errors import ModelError


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def metered(total: int) -> tuple[Meter, Clock, list[Event]]:
    told: list[Event] = []
    clock = Clock()
    return Meter("generate", "m", total, told.append, clock=clock), clock, told


def test_a_meter_tells_how_far_and_how_long() -> None:
    meter, clock, told = metered(10)
    meter.opening()
    clock.now = 100.0
    meter.begin()
    clock.now = 102.0
    meter.add(4, failed=1, left=6)
    clock.now = 103.0
    meter.add(4, failed=0, left=0)
    meter.end(None)
    assert [(e.state, e.done, e.total, e.failed) for e in told] == [
        ("opening", 0, 10, 0),
        ("working", 0, 10, 0),
        ("working", 4, 10, 1),
        ("working", 8, 8, 1),  # others made two of the ten
        ("done", 8, 8, 1),
    ]
    # Of the first batch while there is no other, of the second alone, and of both in the end.
    assert [event.rate for event in told] == [None, None, 2, 4, 8 / 3]
    assert [event.seconds_left for event in told] == [None, None, 3, 0, 0]


def test_what_is_broken_says_why() -> None:
    told: list[Event] = []
    Meter("score", "r", 1, told.append).end(ModelError("no weights"))
    assert (told[0].state, told[0].note) == ("broken", "no weights")


def test_a_remark_stays_until_there_is_more_to_say() -> None:
    meter, _, told = metered(10)
    meter.begin()
    meter.remark = "text encoders wait"
    meter.add(5, 0, left=5)
    meter.end(ModelError("it fell over"))
    assert [event.note for event in told] == [None, "text encoders wait", "it fell over"]


def run(meter: Meter, clock: Clock, seconds: float, batches: int) -> None:
    """So many batches of ten images, each taking ``seconds``."""
    for _ in range(batches):
        clock.now += seconds
        meter.add(10, 0, left=meter.total - meter.done - 10)


def test_the_rate_is_that_of_late() -> None:
    meter, clock, told = metered(100_000)
    meter.begin()
    run(meter, clock, 1.0, 3600)
    assert told[-1].rate == pytest.approx(10)
    # The device slows down to a tenth: after five minutes nothing of the hour before is left.
    run(meter, clock, 10.0, int(RECENT_SECONDS / 10) + 2)
    assert told[-1].rate == pytest.approx(1)
    assert told[-1].seconds_left == pytest.approx(told[-1].total - told[-1].done)
    meter.end(None)
    assert told[-1].rate == pytest.approx(meter.done / clock.now)


def test_batches_longer_than_five_minutes_still_have_a_rate() -> None:
    meter, clock, told = metered(1000)
    meter.begin()
    run(meter, clock, 900.0, 4)
    assert told[-1].rate == pytest.approx(10 / 900)
    clock.now += 9000  # one of them waited
    meter.add(10, 0, left=1000 - 50)
    assert told[-1].rate == pytest.approx(40 / (3 * 900 + 9000))


def test_small_batches_are_not_all_remembered() -> None:
    meter, clock, told = metered(1_000_000)
    meter.begin()
    run(meter, clock, 0.001, 20_000)
    assert told[-1].rate == pytest.approx(10_000, rel=1e-3)
    assert len(meter._marks) < 40


def test_opened_again_it_counts_from_there() -> None:
    meter, clock, told = metered(100)
    meter.begin()
    run(meter, clock, 100.0, 2)
    meter.tell("waiting", "no room beside the others")
    clock.now += 10_000
    meter.opening()
    assert told[-1].rate is None
    clock.now += 50
    meter.begin()
    run(meter, clock, 1.0, 3)
    assert told[-1].rate == pytest.approx(10)
    meter.end(None)
    assert told[-1].rate == pytest.approx(10)


def test_a_clock_that_stands_still_gives_no_rate() -> None:
    meter, _, told = metered(10)
    meter.begin()
    meter.add(10, 0, left=0)
    assert told[-1].rate is None


def test_memory_is_the_most_that_was_held() -> None:
    told: list[Event] = []
    meter = Meter("generate", "m", 1, told.append, "cpu")
    meter.opening()
    before = told[-1].memory
    assert before is not None
    held = bytearray(b"x" * 100_000_000)
    del held
    meter.begin()
    after = told[-1].memory
    assert after is not None
    assert after >= before + 90_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="others do not let the peak be forgotten")
def test_memory_is_counted_from_opening() -> None:
    held = bytearray(b"x" * 200_000_000)
    high = memory.peak("cpu")
    del held
    memory.forget_peak("cpu")
    low = memory.peak("cpu")
    assert high is not None
    assert low is not None
    assert low < high - 100_000_000


def test_memory_of_a_device_nobody_knows_is_unknown() -> None:
    memory.forget_peak("meta")
    assert memory.peak("meta") is None


def test_events_cross_processes_and_are_json() -> None:
    event = Event("generate", "m", "working", 3, 9, 1, 1.5, "n", 7)
    assert pickle.loads(pickle.dumps(event)) == event
    assert event.as_dict() == {
        "stage": "generate",
        "name": "m",
        "state": "working",
        "done": 3,
        "total": 9,
        "failed": 1,
        "rate": 1.5,
        "note": "n",
        "memory": 7,
        "size": None,
        "news": None,
        "seconds_left": 4.0,
    }
