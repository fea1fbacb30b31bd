"""One task beside another command: it goes on elsewhere, and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.engine import running_task
from synpic.engine.running_task import RunningTask
from synpic.engine.task import Item, Made, Opener, Task
from synpic.errors import ModelError
from tests.engine.workers.simulated import task


class Recording:
    """Work that notes which batches are done."""

    def __init__(self) -> None:
        self.done: list[int] = []

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        pass

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: object) -> Made:
        self.done.append(batch[0].position)
        return Made([], {}, len(missing))

    def finish(self) -> Made:
        return Made([], {}, 0)

    def close(self) -> None:
        pass


def order(size: int, company: set[int], seed: float) -> list[int]:
    """Batches in the order in which they are done, a part after each; others write some then."""
    work, writer, failures = Recording(), MagicMock(begun=0, names=set()), MagicMock()
    writer.__enter__.return_value = writer
    writer.add.side_effect = lambda rows: setattr(writer, "begun", writer.begun + 1)
    failures.suspicious.return_value = failures.hopeless.return_value = False
    failures.added, failures.written = set(), set()
    opener = Opener(lambda device, key: work, ModelError, proven=True)
    one = replace(task("a", size, size=1)[0], opener=opener, failures=failures)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running_task, "PartWriter", lambda *arguments: writer)
        patch.setattr(Task, "note_others", lambda *arguments: writer.begun in company)
        running = RunningTask(one, "cpu", None, threading.Event(), seed)
        running.open(alone=True)
        while running.step(alone=True):
            pass
    return work.done


@given(st.integers(1, 30), st.sets(st.integers(1, 30)), st.floats(0, 1))
def test_nothing_is_lost_nor_doubled_and_rewards_of_a_run_go_on_at_the_same_place(
    size: int, company: set[int], seed: float
) -> None:
    found = order(size, company, seed)
    assert sorted(found) == list(range(size))
    assert order(size, company, seed) == found


def test_in_order_until_there_is_company_then_round_from_elsewhere() -> None:
    found = [order(300, {3}, seed) for seed in (0.1, 0.2)]
    for one in found:
        assert one[:4] == [0, 1, 2, 3]
        # Neighbours stay neighbours: there are two seams, where it goes away and comes round.
        assert sum(b - a != 1 for a, b in pairwise(one)) == 2
    assert found[0] != found[1]
