"""When a batch goes: by a clock that a test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synpic.serve.pace import BatchPace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_caller_never_waits() -> None:
    clock = Clock()
    pace = BatchPace(0.02, clock)
    for _ in range(5):
        pace.began()
        clock.now += 0.01
        pace.ready()
        assert pace.wait(clock.now) == 0
        clock.now += 0.5
        pace.ended(was_ready=True)


def test_half_of_the_callers_are_waited_for_after_their_answers() -> None:
    clock = Clock()
    pace = BatchPace(0.02, clock)
    for _ in range(8):
        pace.began()
        pace.ready()
    clock.now += 0.4
    for _ in range(8):
        pace.ended(was_ready=True)
    for number in range(1, 5):
        assert number == 1 or pace.wait(clock.now) > 0
        pace.began()
        pace.ready()
    assert pace.wait(clock.now) == 0


def test_a_caller_that_is_gone_is_waited_for_until_the_deadline_and_then_forgotten() -> None:
    clock = Clock()
    pace = BatchPace(0.02, clock)
    for _ in range(8):
        pace.began()
        pace.ready()
    for _ in range(8):
        pace.ended(was_ready=True)
    pace.began()
    pace.ready()
    assert 0.019 < pace.wait(clock.now) <= 0.02
    clock.now += 0.021
    assert pace.wait(clock.now - 0.021) <= 0
    pace.ended(was_ready=True)
    clock.now += 2.5
    pace.began()
    pace.ready()
    assert pace.wait(clock.now) == 0


@given(
    st.lists(st.sampled_from(["begin", "ready", "end", "forget", "pass"]), max_size=200),
    st.floats(0, 1),
)
def test_no_wait_is_longer_than_the_deadline(steps: list[str], deadline: float) -> None:
    clock = Clock()
    pace = BatchPace(deadline, clock)
    expected = waiting = 0
    for step in steps:
        if step == "begin":
            pace.began()
            expected += 1
        elif step == "ready" and expected:
            pace.ready()
            expected, waiting = expected - 1, waiting + 1
        elif step == "end" and waiting:
            pace.ended(was_ready=True)
            waiting -= 1
        elif step == "forget" and expected:
            pace.ended(was_ready=False)
            expected -= 1
        else:
            clock.now += 0.3
        if waiting:
            assert pace.wait(clock.now) <= deadline + 1e-9
