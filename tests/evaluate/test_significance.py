"""p values: against all ways to flip signs, and Holm's own definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.evaluate.significance import holm, sign_flip_p


@given(st.lists(st.integers(-4, 4).map(lambda n: n / 4), min_size=1, max_size=7))
def test_few_differences_have_the_exact_p(differences: list[float]) -> None:
    ways = [
        abs(sum(sign * one for sign, one in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = np.mean([way >= abs(sum(differences)) - 1e-9 for way in ways])
    assert sign_flip_p(np.array(differences)) == pytest.approx(expected)


def test_many_differences_have_about_the_p_of_a_t_test() -> None:
    from scipy.stats import ttest_1samp

    differences = np.random.default_rng(3).normal(0.1, 1, 400)
    assert sign_flip_p(differences) == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.01)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_holm_rejects_what_closed_testing_by_bonferroni_rejects(
    p_values: list[float], level: float
) -> None:
    corrected = holm(p_values)
    for at in range(len(p_values)):
        sets = [
            chosen
            for size in range(1, len(p_values) + 1)
            for chosen in itertools.combinations(range(len(p_values)), size)
            if at in chosen
        ]
        closed = max(min(p_values[one] for one in chosen) * len(chosen) for chosen in sets)
        assert corrected[at] == pytest.approx(min(1, closed))
