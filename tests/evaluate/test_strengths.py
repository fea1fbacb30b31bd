"""Strengths of models: the numbers of others, and what has none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from synpic.evaluate.compare_models import Items
from synpic.evaluate.strengths import strengths


def compared(results: Mapping[tuple[str, str], tuple[int, int, int]]) -> Items:
    """Items on which two models have a value each: wins of one, of the other, ties."""
    models = sorted({model for pair in results for model in pair})
    rows = [
        {one: a, other: b}
        for (one, other), (wins, losses, ties) in results.items()
        for (a, b), n in (((1.0, 0.0), wins), ((0.0, 1.0), losses), ((0.0, 0.0), ties))
        for _ in range(n)
    ]
    nan = float("nan")
    values = {model: np.array([row.get(model, nan) for row in rows]) for model in models}
    return Items(values, [f"p{at:03}" for at in range(len(rows))], ["t"] * len(rows))


def test_the_points_are_those_of_fastchat() -> None:
    # FastChat's rating_systems.py on the same wins and ties.
    two = strengths(compared({("A", "B"): (60, 40, 0)}), fingerprint="f", resamples=50)
    assert two[0].points.value is not None
    assert two[1].points.value is not None
    assert two[0].points.value - two[1].points.value == pytest.approx(70.44, abs=0.01)
    three = strengths(
        compared({("A", "B"): (60, 40, 0), ("B", "C"): (70, 30, 0), ("A", "C"): (75, 20, 5)}),
        fingerprint="f",
    )
    assert [one.points.value for one in three] == pytest.approx([1095.2, 1025.6, 879.3], abs=0.06)
    for one in three:
        assert one.points.low is not None
        assert one.points.high is not None
        assert one.points.value is not None
        assert one.points.low < one.points.value < one.points.high


def test_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth = np.array([60.0, 0.0, -60.0]) + 1000
    held = 0
    for world in range(60):
        results = {}
        for one, other in (("A", "B"), ("B", "C"), ("A", "C")):
            apart = truth["ABC".index(one)] - truth["ABC".index(other)]
            wins = int(rng.binomial(80, 1 / (1 + 10 ** (-apart / 400))))
            results[one, other] = (wins, 80 - wins, 0)
        found = strengths(compared(results), fingerprint=str(world), resamples=200)
        held += sum(
            one.points.low <= true <= one.points.high  # type: ignore[operator]
            for one, true in zip(found, truth, strict=True)
        )
    assert 0.89 <= held / 180 <= 0.99


def test_who_never_loses_has_no_strength() -> None:
    found = strengths(
        compared({("A", "B"): (9, 0, 0), ("B", "C"): (5, 5, 0)}), fingerprint="f", resamples=50
    )
    assert [one.points.value for one in found] == [None] * 3
    apart = strengths(
        compared({("A", "B"): (5, 5, 0), ("C", "D"): (5, 5, 0)}), fingerprint="f", resamples=50
    )
    assert [one.points.value for one in apart] == [None] * 4
