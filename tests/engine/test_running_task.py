from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from synpic.engine.running_task import Batches, Jumps


def test_in_order_until_there_is_company_then_round_from_elsewhere() -> None:
    batches = Batches(range(1000), Jumps())
    assert [batches.take() for _ in range(3)] == [0, 1, 2]
    batches.jump()
    rest = [batches.take() for _ in range(997)]
    assert sorted(rest) == list(range(3, 1000))
    # Neighbours stay neighbours: there is one seam.
    assert sum(b - a != 1 for a, b in pairwise(rest)) <= 1
    assert batches.take() is None


def test_rewards_of_one_run_jump_to_the_same_place() -> None:
    jumps = Jumps()
    one, other = Batches(range(500), jumps), Batches(range(500), jumps)
    for batches in (one, other):
        for _ in range(3):
            batches.jump()
    assert one.take() == other.take()


@given(st.lists(st.sampled_from(["take", "any", "back", "jump"])), st.integers(0, 12))
def test_nothing_is_lost_nor_doubled(moves: list[str], size: int) -> None:
    batches, taken = Batches(range(size), Jumps()), list[int]()
    for move in moves:
        if move == "jump":
            batches.jump()
        elif move == "back":
            if taken:
                batches.put_back(taken.pop())
        else:
            got = batches.take() if move == "take" else batches.take_any()
            assert (got is None) == (len(taken) == size)
            taken += [] if got is None else [got]
    while (got := batches.take()) is not None:
        taken.append(got)
    assert sorted(taken) == list(range(size))
