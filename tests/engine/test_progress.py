from __future__ import annotations

from synpic.engine.progress import Event, Meter
from synpic.errors import ModelError


def test_a_meter_tells_how_far_and_how_long() -> None:
    told: list[Event] = []
    meter = Meter("generate", "m", 10, told.append)
    meter.tell("opening")
    meter.begin()
    meter.add(4, failed=1, left=6)
    meter.add(4, failed=0, left=0)
    meter.end(None)
    assert [(e.state, e.done, e.total, e.failed) for e in told] == [
        ("opening", 0, 10, 0),
        ("working", 0, 10, 0),
        ("working", 4, 10, 1),
        ("working", 8, 8, 1),  # others made two of the ten
        ("done", 8, 8, 1),
    ]
    assert told[0].seconds_left is None
    assert told[2].rate is not None
    assert told[2].seconds_left == 6 / told[2].rate


def test_what_is_broken_says_why() -> None:
    told: list[Event] = []
    Meter("score", "r", 1, told.append).end(ModelError("no weights"))
    assert (told[0].state, told[0].note) == ("broken", "no weights")
