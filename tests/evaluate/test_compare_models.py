"""Models compared on the same items: against SciPy, worked numbers, and simulated worlds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from synpic.evaluate.compare_models import OVERALL, Items, Result, compare_models
from synpic.evaluate.intervals import standard_error, units_to_see, wilson

NAN = float("nan")


def items(
    values: Mapping[str, Sequence[float]], units: Sequence[str], tags: Sequence[str]
) -> Items:
    return Items({m: np.array(found, float) for m, found in values.items()}, units, tags)


def prompts(values: Mapping[str, Sequence[float]]) -> Items:
    """One item a prompt, of one tag."""
    n = len(next(iter(values.values())))
    return items(values, [f"p{at:04}" for at in range(n)], ["t"] * n)


def by_name(results: list[Result]) -> dict[tuple[str, str], Result]:
    return {(one.model, one.tag): one for one in results}


def test_the_worked_difference() -> None:
    # inspect_ai's clustered standard error of this paired difference is .061; unpaired, .224.
    base, tuned = [0.5, 0, 1, 0.25, 0.5], [0.75, 0.25, 1, 0.25, 0.75]
    found = by_name(
        compare_models(prompts({"base": base, "tuned": tuned}), "base", fingerprint="f")
    )
    tuned_ = found["tuned", OVERALL].difference
    assert found["base", OVERALL].difference is None
    assert tuned_ is not None
    assert tuned_.mean.value == pytest.approx(0.15)
    assert (tuned_.win_rate.value, tuned_.ties) == (0.8, 2)
    error = standard_error(np.subtract(tuned, base), range(5))
    assert error == pytest.approx(0.061, abs=5e-4)
    # All ways to flip three signs: two of the eight are as far from 0.
    assert tuned_.p == 0.25


@pytest.mark.parametrize("overall", ["items", "tags"])
def test_intervals_are_those_of_scipy(overall: str) -> None:
    rng = np.random.default_rng(5)
    sizes = {"few": 30, "many": 120}
    units = [f"{tag}{at}" for tag, n in sizes.items() for at in range(n) for _ in range(2)]
    tags = [tag for tag, n in sizes.items() for _ in range(2 * n)]
    base, tuned = rng.random(300), rng.random(300) + 0.1
    found = by_name(
        compare_models(
            items({"base": base, "tuned": tuned}, units, tags),
            "base",
            fingerprint="f",
            overall=overall,  # type: ignore[arg-type]
        )
    )
    by_unit = (tuned - base).reshape(-1, 2).mean(axis=1)
    few, many = by_unit[:30], by_unit[30:]
    weight = 0.5 if overall == "tags" else 0.2
    both = bootstrap(
        (few, many),
        lambda one, other, axis: weight * one.mean(axis) + (1 - weight) * other.mean(axis),
        method="percentile",
        n_resamples=10_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    alone = bootstrap(
        (few,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1)
    ).confidence_interval
    for tag, expected in ((OVERALL, both), ("few", alone)):
        difference = found["tuned", tag].difference
        assert difference is not None
        # Two draws of 10,000 differ by some hundredths of the interval, and SciPy's interval of 30
        # units is narrower by 1 in 60: it draws as many as there are.
        near = 0.04 * (expected.high - expected.low)
        assert difference.mean.low == pytest.approx(expected.low, abs=near)
        assert difference.mean.high == pytest.approx(expected.high, abs=near)
    assert found["tuned", OVERALL].mean.value == pytest.approx(
        weight * tuned[:60].mean() + (1 - weight) * tuned[60:].mean()
    )


def test_a_share_of_single_images_has_wilsons_interval() -> None:
    right = [1.0] * 270 + [0.0] * 180
    found = compare_models(prompts({"only": right}), "only", fingerprint="f")
    assert [one.mean for one in found] == [wilson(270, 450)]


def test_what_is_missing_is_counted_and_leaves_the_pair_out() -> None:
    base, tuned = [1, 0, NAN, 1, 0.0, 1], [1, 1, 1, NAN, 1, NAN]
    units, tags = ["a", "a", "b", "b", "c", "d"], ["t", "t", "u", "u", "u", "u"]
    found = by_name(
        compare_models(items({"x": base, "y": tuned}, units, tags), "x", fingerprint="f")
    )
    assert [found["x", tag].missing for tag in (OVERALL, "t", "u")] == [1, 0, 1]
    assert [found["y", tag].missing for tag in (OVERALL, "t", "u")] == [2, 0, 2]
    difference = found["y", OVERALL].difference
    assert difference is not None
    assert (difference.mean.n, difference.mean.clusters, difference.mean.value) == (3, 2, 2 / 3)
    assert found["x", OVERALL].mean.value == pytest.approx(3 / 5)
    none = compare_models(prompts({"x": [1, NAN], "y": [NAN, 1]}), "x", fingerprint="f")
    assert none[1].difference is None
    assert (none[1].mean.value, none[1].missing) == (1, 1)


def test_equal_models_have_no_difference() -> None:
    one = np.random.default_rng(0).random(40)
    found = compare_models(prompts({"x": one, "y": one}), "x", fingerprint="f")[1].difference
    assert found is not None
    assert (found.mean.value, found.mean.low, found.mean.high, found.p) == (0, 0, 0, 1)
    assert (found.win_rate.value, found.ties, found.units_to_see) == (0.5, 40, None)
    assert not found.seen


def test_tags_with_few_units_have_no_interval() -> None:
    found = by_name(
        compare_models(
            items({"x": [0, 1, 1, 0], "y": [1, 1, 0, 1]}, list("abcd"), list("ttuu")),
            "x",
            fingerprint="f",
            without_interval=frozenset({"t"}),
        )
    )
    assert found["x", "t"].mean.low is None
    assert found["x", "u"].mean.low is not None


@given(data=st.data())
def test_neither_order_nor_other_models_matter(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 8))
    values = st.lists(st.sampled_from([0, 0.5, 1, NAN]), min_size=n, max_size=n)
    table = {model: data.draw(values) for model in ("x", "y", "z")}
    units = data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    tags = ["t" if unit == "a" else "u" for unit in units]
    order = data.draw(st.permutations(range(n)))
    kept = [model for model in table if model != data.draw(st.sampled_from(["y", "z"]))]
    whole = by_name(compare_models(items(table, units, tags), "x", fingerprint="f", resamples=100))
    other = compare_models(
        items(
            {model: [table[model][at] for at in order] for model in kept},
            [units[at] for at in order],
            [tags[at] for at in order],
        ),
        "x",
        fingerprint="f",
        resamples=100,
    )
    for one in other:
        expected = whole[one.model, one.tag]
        for now, then in ((one.mean, expected.mean),) + (
            ((one.difference.mean, expected.difference.mean),)
            if one.difference and expected.difference
            else ()
        ):
            assert (now.n, now.clusters) == (then.n, then.clusters)
            assert (now.value, now.low, now.high) == pytest.approx(
                (then.value, then.low, then.high), nan_ok=True
            )


def test_how_many_would_show_it() -> None:
    # n = (1.96 + 0.8416)² · σ² / δ², of σ 1 and δ 0.2: 196.2.
    assert units_to_see(0.2, 1 / np.sqrt(50), 50) == 197
    assert units_to_see(0.2, 0.0, 50) is None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="'z' is none of the models x"):
        compare_models(prompts({"x": [1, 0]}), "z", fingerprint="f")
    with pytest.raises(ValueError, match="a is of the tags 't' and 'u'"):
        items({"x": [1, 0]}, ["a", "a"], ["t", "u"])
    with pytest.raises(ValueError, match="for each of 2 items"):
        items({"x": [1]}, ["a", "b"], ["t", "t"])


GENEVAL = {"one": 80, "two": 99, "count": 80, "colour": 94, "place": 100, "both": 100}


def simulated(worlds: int) -> tuple[dict[str, float], float]:
    """In how many worlds the intervals held the truth, and found a difference where none is.

    With the tags of GenEval, four images a prompt, and prompts unlike each other.
    """
    tags = np.repeat(list(GENEVAL), list(GENEVAL.values()))
    units = [f"p{at:03}" for at in range(len(tags))]
    rng, truth = np.random.default_rng(8), 0.04
    held = dict.fromkeys([OVERALL, *GENEVAL], 0)
    rejected = 0
    for world in range(worlds):
        hard = rng.beta(0.8, 0.8, len(tags)) * 0.9
        base, same = rng.binomial(4, hard) / 4, rng.binomial(4, hard) / 4
        tuned = rng.binomial(4, hard + truth) / 4
        found = compare_models(
            items({"base": base, "tuned": tuned, "same": same}, units, list(tags)),
            "base",
            fingerprint=str(world),
            overall="tags",
            resamples=1_000,
        )
        for one in found:
            if one.model == "tuned" and one.difference:
                low, high = one.difference.mean.low, one.difference.mean.high
                held[one.tag] += low is not None and high is not None and low <= truth <= high
            if (one.model, one.tag) == ("same", OVERALL) and one.difference:
                rejected += one.difference.seen
    return {tag: count / worlds for tag, count in held.items()}, rejected / worlds


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_intervals_hold_the_truth() -> None:
    held, rejected = simulated(2_000)
    assert 0.935 <= held[OVERALL] <= 0.965, held
    assert all(held[tag] >= 0.92 for tag in GENEVAL), held
    assert rejected <= 0.063


def test_every_pair_of_models_is_possible() -> None:
    table = {"x": [1, 0, 1.0], "y": [0, 0, 1.0], "z": [1, 1, 1.0]}
    for base, tuned in itertools.permutations(table, 2):
        found = by_name(compare_models(prompts(table), base, fingerprint="f"))
        difference = found[tuned, OVERALL].difference
        assert difference is not None
        assert difference.mean.value == pytest.approx(np.mean(table[tuned]) - np.mean(table[base]))


def test_by_prompts_each_counts_as_one_whatever_its_images() -> None:
    found = by_name(
        compare_models(
            items(
                {"base": [1, 1, 1, 1, 0], "tuned": [1, 1, 0, 0, 0]},
                ["a"] * 4 + ["b"],
                ["t"] * 5,
            ),
            "base",
            fingerprint="f",
            overall="prompts",
        )
    )
    assert found["base", OVERALL].mean.value == 0.5
    assert found["tuned", OVERALL].mean.value == 0.25
    assert found["tuned", OVERALL].mean.n == 5
    difference = found["tuned", OVERALL].difference
    assert difference is not None
    assert difference.mean.value == -0.25
    assert difference.win_rate.value == (0.25 + 0.5) / 2


def test_a_tag_of_one_prompt_leaves_overall_without_an_interval() -> None:
    values = {"base": [0.0, 0, 0, 0, 0], "tuned": [1.0, 1, 0, 1, 1]}
    found = by_name(
        compare_models(
            items(values, list("abcde"), ["s", "s", "s", "s", "one"]), "base", fingerprint="f"
        )
    )
    for model, tag in (("tuned", OVERALL), ("tuned", "one")):
        assert found[model, tag].mean.low is None
        difference = found[model, tag].difference
        assert difference is not None
        assert difference.mean.low is None
        assert not difference.seen
    assert found["tuned", "s"].mean.low is not None


@pytest.mark.parametrize("n", [3, 10, 300])
def test_even_is_even_whatever_rounding_leaves(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n) / 3
    base = np.concatenate([values, np.zeros(n)])
    tuned = np.concatenate([np.zeros(n), values])
    found = by_name(
        compare_models(prompts({"base": list(base), "tuned": list(tuned)}), "base", fingerprint="f")
    )
    difference = found["tuned", OVERALL].difference
    assert difference is not None
    assert difference.mean.value == 0
    assert difference.units_to_see is None


def test_a_tag_cannot_be_called_as_the_row_of_all() -> None:
    found = items({"base": [0, 1], "tuned": [1, 0]}, ["a", "b"], [OVERALL, "t"])
    with pytest.raises(ValueError, match="a tag is called 'overall'"):
        compare_models(found, "base", fingerprint="f")
