"""Intervals: against worked numbers, SciPy, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from synpic.evaluate.intervals import (
    Estimate,
    clustered_mean,
    clustered_share,
    comparisons_to_see,
    comparisons_within,
    half_width_within,
    standard_error,
    wilson,
)

FOUR_PROMPTS = [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0]
PROMPT = np.repeat(["a", "b", "c", "d"], 4)


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(270, 450, 0.554, 0.644), (252, 450, 0.514, 0.605), (10, 10, 0.722, 1.0)],
)
def test_wilson_gives_the_worked_intervals(wins: int, n: int, low: float, high: float) -> None:
    found = wilson(wins, n)
    assert (found.value, found.n) == (wins / n, n)
    assert found.low == pytest.approx(low, abs=5e-4)
    assert found.high == pytest.approx(high, abs=5e-4)


@given(n=st.integers(1, 500), data=st.data())
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    wins = data.draw(st.integers(0, n))
    low, high = binomtest(wins, n).proportion_ci(method="wilson")
    found = wilson(wins, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_nothing_has_no_interval() -> None:
    nothing = Estimate(None, None, None, 0, 0)
    assert wilson(0, 0) == clustered_mean([], []) == clustered_share([], []) == nothing
    assert clustered_mean([1.0, 0.0], ["a", "a"]) == Estimate(0.5, None, None, 2, 1)
    assert clustered_share([1.0, 0.0], ["a", "a"]) == Estimate(0.5, None, None, 2, 1)
    with pytest.raises(ValueError, match="11 wins of 10"):
        wilson(11, 10)
    with pytest.raises(ValueError, match="within 0 … 1"):
        clustered_share([1.5], ["a"])


def test_the_standard_error_counts_prompts() -> None:
    # 2411.00640 as inspect_ai computes it: .2282, where 16 independent ones have .1291.
    assert standard_error(FOUR_PROMPTS, PROMPT) == pytest.approx(0.2282, abs=5e-5)
    assert standard_error(FOUR_PROMPTS, range(16)) == pytest.approx(0.1291, abs=5e-5)
    of_prompts = np.reshape(FOUR_PROMPTS, (4, 4)).mean(axis=1)
    assert standard_error(FOUR_PROMPTS, PROMPT) == pytest.approx(of_prompts.std(ddof=1) / 2)
    assert math.isnan(standard_error([1, 0], ["a", "a"]))


def test_a_mean_stays_in_its_range_and_equal_prompts_have_no_interval() -> None:
    wide = clustered_mean([0.9, -0.5], ["a", "b"], least=-1, most=1)
    assert (wide.low, wide.high) == (-1, 1)
    assert clustered_mean([0.0, 0.0, 0.0], ["a", "b", "c"]) == Estimate(0, None, None, 3, 3)


def test_paired_differences() -> None:
    tuned, base = [0.75, 0.25, 1, 0.25, 0.75], [0.5, 0, 1, 0.25, 0.5]
    difference = np.subtract(tuned, base)
    assert standard_error(difference, range(5)) == pytest.approx(0.061, abs=5e-4)
    found = clustered_mean(difference, range(5))
    assert found.value == pytest.approx(0.15)
    assert found.high is not None
    assert found.high - 0.15 == pytest.approx(2.776 * 0.0612, abs=1e-3)  # t of 4


@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=30),
    prompts=st.integers(2, 6),
)
def test_the_interval_of_a_share_holds_it_and_stays_within_0_and_1(
    values: list[float], prompts: int
) -> None:
    found = clustered_share(values, [place % prompts for place in range(len(values))])
    assert found.value is not None
    if found.low is not None:
        assert found.high is not None
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1
        assert found.high - found.low > 0.01  # equal outcomes are no certainty


@pytest.mark.parametrize("of_prompt", [[1, 0], [1, 0, 0], [1, 0, 0, 0, 0, 0, 0]])
def test_prompts_of_one_mean_count_as_single_observations(of_prompt: list[int]) -> None:
    values, prompts = of_prompt * 10, [prompt for prompt in range(10) for _ in of_prompt]
    share = sum(of_prompt) / len(of_prompt)
    assert standard_error(values, prompts) == 0
    found = clustered_share(values, prompts)
    n, z = 10, 2.262157  # Student's t of 9
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    assert found.low is not None
    assert found.high is not None
    assert (found.low + found.high) / 2 == pytest.approx(middle, abs=1e-6)


def test_independent_observations_have_wilsons_interval_in_the_limit() -> None:
    values = [1.0] * 2700 + [0.0] * 1800
    found, of_wilson = clustered_share(values, range(4500)), wilson(2700, 4500)
    assert found.low == pytest.approx(of_wilson.low, abs=1e-4)
    assert found.high == pytest.approx(of_wilson.high, abs=1e-4)


@pytest.mark.parametrize(("prompts", "share", "spread"), [(20, 0.6, 4.0), (100, 0.85, 2.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(
    prompts: int, share: float, spread: float
) -> None:
    """Eight votes a prompt, which share the prompt's own probability (beta-distributed)."""
    random, inside, worlds = np.random.default_rng(7), 0, 600
    clusters = np.repeat(np.arange(prompts), 8)
    for _ in range(worlds):
        of_prompt = random.beta(share * spread, (1 - share) * spread, prompts)
        found = clustered_share(random.random(prompts * 8) < np.repeat(of_prompt, 8), clusters)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= share <= found.high
    assert 0.925 <= inside / worlds <= 0.985


@pytest.mark.parametrize(("half_width", "needed"), [(0.05, 385), (0.03, 1068)])
def test_comparisons_for_an_interval(half_width: float, needed: int) -> None:
    assert comparisons_within(half_width) == needed
    assert comparisons_within(half_width, per_prompt=1, correlation=0.7) == needed
    five = comparisons_within(half_width, per_prompt=5, correlation=0.5)
    assert five == math.ceil((1.959964 / (2 * half_width)) ** 2 * 3)


@pytest.mark.parametrize(("share", "needed"), [(0.55, 783), (0.575, 347), (0.6, 194)])
def test_comparisons_to_see_a_difference(share: float, needed: int) -> None:
    assert comparisons_to_see(share) == needed == comparisons_to_see(1 - share)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: comparisons_within(0), "above 0"),
        (lambda: comparisons_within(0.6), "at most at 0.5"),
        (lambda: comparisons_within(0.1, per_prompt=0), "at least 1"),
        (lambda: comparisons_within(0.1, correlation=1.5), "correlation"),
        (lambda: comparisons_to_see(0.5), "is not 0.5"),
    ],
)
def test_what_no_number_answers_is_refused(ask: object, says: str) -> None:
    assert callable(ask)
    with pytest.raises(ValueError, match=says):
        ask()


@pytest.mark.parametrize(("per_prompt", "correlation"), [(1, 0.0), (5, 0.3), (3, 1.0)])
def test_a_half_width_and_its_comparisons(per_prompt: int, correlation: float) -> None:
    how = {"per_prompt": per_prompt, "correlation": correlation}
    needed = comparisons_within(0.03, **how)  # type: ignore[arg-type]
    assert half_width_within(needed, **how) <= 0.03  # type: ignore[arg-type]
    assert half_width_within(needed - 1, **how) > 0.03  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1 comparison, not 0"):
        half_width_within(0)
