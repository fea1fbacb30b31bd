from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given

from synpic.errors import RankingError
from synpic.rank import agreement, leave_one_out
from tests.rank.frames import REWARDS, complete_prompts, scored, scored_tables, weightings
from tests.rank.test_win_rate import algorithm_1


def tau_b(a: Sequence[float], b: Sequence[float]) -> float | None:
    balance = untied_a = untied_b = 0
    for i in range(len(a)):
        for j in range(i):
            sign_a = (a[i] > a[j]) - (a[i] < a[j])
            sign_b = (b[i] > b[j]) - (b[i] < b[j])
            balance += sign_a * sign_b
            untied_a += abs(sign_a)
            untied_b += abs(sign_b)
    return balance / math.sqrt(untied_a * untied_b) if untied_a and untied_b else None


def mean(values: Sequence[float | None]) -> tuple[float | None, int]:
    defined = [value for value in values if value is not None]
    return (sum(defined) / len(defined) if defined else None), len(defined)


@given(scored_tables())
def test_equals_the_definition(table: pl.DataFrame) -> None:
    prompts = complete_prompts(table, REWARDS).values()
    got = agreement(table, REWARDS)
    assert got.columns == ["reward_a", "reward_b", "tau", "prompts"]
    assert got.select("reward_a", "reward_b").rows() == [(a, b) for a in REWARDS for b in REWARDS]
    for a, b, tau, count in got.iter_rows():
        expected, of = mean(
            [
                tau_b([s[a] for s in images.values()], [s[b] for s in images.values()])
                for images in prompts
            ]
        )
        assert count == of
        assert tau == (None if expected is None else pytest.approx(expected, abs=1e-12))
        assert a != b or tau in (None, 1.0)


@given(scored_tables(), weightings())
def test_leave_one_out_equals_the_definition(
    table: pl.DataFrame, weights: dict[str, float]
) -> None:
    prompts = complete_prompts(table, REWARDS).values()
    got = leave_one_out(table, weights)
    assert got.columns == ["reward", "tau", "prompts"]
    assert got["reward"].to_list() == list(weights)
    for reward, tau, count in got.iter_rows():
        others = {name: weight for name, weight in weights.items() if name != reward}
        taus = []
        for images in prompts:
            phi = algorithm_1(images, others)
            taus.append(tau_b([s[reward] for s in images.values()], [phi[i] for i in images]))
        expected, of = mean(taus)
        assert count == of
        assert tau == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_worked_by_hand() -> None:
    # p: r and s order four images alike but for one pair of six: (5 − 1) / 6.
    # q: r ties two of three: both concordant pairs, 2 / √(2 · 3). v: s sees no difference.
    table = scored(
        {
            "p": {"r": [1.0, 2.0, 3.0, 4.0], "s": [1.0, 3.0, 2.0, 4.0]},
            "q": {"r": [0.0, 0.0, 1.0], "s": [1.0, 2.0, 3.0]},
            "v": {"r": [0.0, 1.0, 2.0], "s": [1.0, 1.0, 1.0]},
        }
    )
    expected = (4 / 6 + 2 / math.sqrt(6)) / 2
    rows = agreement(table, ["r", "s"]).rows()
    assert [row[:2] + row[3:] for row in rows] == [
        ("r", "r", 3),
        ("r", "s", 2),
        ("s", "r", 2),
        ("s", "s", 2),
    ]
    assert [row[2] for row in rows] == pytest.approx([1, expected, expected, 1], abs=1e-12)
    # With two rewards "the others" is the other one, seen through its wins.
    for row in leave_one_out(table, {"r": 1, "s": 5}).rows():
        assert row[1:] == (pytest.approx(expected, abs=1e-12), 2)


def test_opposite_orders() -> None:
    table = scored({"p": {"r": [1.0, 2.0, 3.0], "s": [3.0, 2.0, 1.0]}})
    assert agreement(table, ["r", "s"])["tau"].to_list() == [1.0, -1.0, -1.0, 1.0]


def test_no_prompt_to_take_a_mean_over() -> None:
    table = scored({"p": {"r": [1.0, 1.0], "s": [3.0, 2.0]}, "q": {"r": [1.0], "s": [1.0]}})
    assert agreement(table, ["r", "s"]).select("tau", "prompts").rows() == [
        (None, 0),
        (None, 0),
        (None, 0),
        (1.0, 1),
    ]
    assert leave_one_out(table, {"r": 1, "s": 1})["tau"].to_list() == [None, None]


def test_what_is_asked_wrongly() -> None:
    table = scored({"p": {"clip": [1.0, 2.0], "hps": [3.0, 2.0]}})
    assert leave_one_out(table, {"clip": 1}).is_empty()
    with pytest.raises(RankingError, match=r"'clap'.*'clip'"):
        agreement(table, ["clap", "hps"])
    with pytest.raises(RankingError, match="selected twice: clip, clip"):
        agreement(table, ["clip", "clip"])
    with pytest.raises(RankingError, match="weight of reward 'hps' is 0"):
        leave_one_out(table, {"clip": 1, "hps": 0})
