"""Deviations and turned pairs against a count by hand and by brute force."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from research.ports.comparison import compare

SCORES = st.integers(-20, 20).map(float)
TABLES = st.integers(2, 5).flatmap(
    lambda pictures: st.lists(
        st.tuples(
            st.lists(SCORES, min_size=pictures, max_size=pictures),
            st.lists(SCORES, min_size=pictures, max_size=pictures),
        ),
        min_size=1,
        max_size=4,
    )
)


def test_by_hand() -> None:
    found = compare([[0.0, 1.0, 2.0]], [[0.5, 0.25, 2.0]])
    assert (found.turned, found.pairs, found.spread) == (1, 3, 1.0)
    assert (found.largest, found.median) == (0.75, 0.5)


@given(TABLES)
def test_turned_pairs_by_brute_force(table: list[tuple[list[float], list[float]]]) -> None:
    ours, theirs = [row for row, _ in table], [row for _, row in table]
    spread = sum(statistics.stdev(row) for row in ours) / len(ours)
    if spread == 0:
        with pytest.raises(ValueError, match="all pictures"):
            compare(ours, theirs)
        return
    turned = pairs = 0
    for a, b in table:
        for i in range(len(a)):
            for j in range(i):
                if a[i] == a[j] or b[i] == b[j]:
                    continue
                pairs += 1
                turned += (a[i] > a[j]) != (b[i] > b[j])
    found = compare(ours, theirs)
    assert (found.turned, found.pairs) == (turned, pairs)
    apart = [abs(x - y) for a, b in table for x, y in zip(a, b, strict=True)]
    assert found.largest == pytest.approx(max(apart) / spread)


def test_a_known_factor_is_taken_out() -> None:
    ours = [[0.2, 0.5, 0.9]]
    assert compare(ours, [[20.0, 50.0, 90.0]], 100).largest == pytest.approx(0, abs=1e-12)
    assert compare(ours, [[20.0, 50.0, 90.0]]).largest > 100


@pytest.mark.parametrize(
    ("ours", "theirs", "scale", "why"),
    [
        ([[1.0, 2.0]], [[1.0]], 1.0, "different prompts or pictures"),
        ([], [], 1.0, "different prompts or pictures"),
        ([[1.0, 2.0]], [[1.0, 2.0]], -1.0, "keeps the order is positive"),
        ([[1.0, 2.0]], [[1.0, float("nan")]], 1.0, "not finite"),
        ([[1.0, 1.0]], [[1.0, 2.0]], 1.0, "same score"),
    ],
)
def test_what_cannot_be_compared(
    ours: list[list[float]], theirs: list[list[float]], scale: float, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        compare(ours, theirs, scale)
