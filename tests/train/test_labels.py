"""Labels: as published, by chance, and by rewards anew."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import RewardError, TrainingError
from synpic.train.data.labels import relabel, untied

LABELS = ["preference", "rank"]


def table(
    preference: list[list[float]], keys: list[str] | None = None, **scores: list[list[Any]]
) -> pl.DataFrame:
    """Rows with these preferences, ranked by competition."""
    ranks = [[1 + sum(other > one for other in row) for one in row] for row in preference]
    numbers = range(len(preference))
    columns = {
        "row": numbers,
        "key": keys or [f"prompt {n}" for n in numbers],
        "prompt": [f"prompt {n}" for n in numbers],
        "images": [list(range(len(row))) for row in preference],
        "preference": preference,
        "rank": ranks,
        **{f"score_{name}": rows for name, rows in scores.items()},
    }
    types: dict[str, Any] = {
        "row": pl.Int64,
        "key": pl.String,
        "prompt": pl.String,
        "images": pl.List(pl.Int32),
        "preference": pl.List(pl.Float64),
        "rank": pl.List(pl.Int32),
        **{f"score_{name}": pl.List(pl.Float32) for name in scores},
    }
    return pl.DataFrame(columns, types)


shares = st.lists(st.integers(0, 6).map(lambda n: n / 6), min_size=2, max_size=5)


def test_published_labels_are_left_alone() -> None:
    given_ = table([[0.0, 1.0], [0.5, 0.5]])
    assert relabel(given_, "published", 7).equals(given_)


@given(st.lists(shares, min_size=1, max_size=6), st.integers(0, 2**53 - 1))
def test_chance_keeps_what_there_is_to_tell_apart(rows: list[list[float]], seed: int) -> None:
    before = table(rows)
    after = relabel(before, "random", seed)
    assert after.drop(LABELS).equals(before.drop(LABELS))
    for old, new in zip(before.iter_rows(named=True), after.iter_rows(named=True), strict=True):
        pairs = zip(old["preference"], old["rank"], strict=True)
        assert Counter(pairs) == Counter(zip(new["preference"], new["rank"], strict=True))


@given(st.lists(shares, min_size=2, max_size=6), st.randoms())
def test_chance_depends_on_no_other_row(rows: list[list[float]], random: Any) -> None:
    before = table(rows)
    after = relabel(before, "random", 3)
    order = list(range(len(rows)))
    random.shuffle(order)
    assert relabel(before[order], "random", 3).equals(after[order])
    assert relabel(before.head(1), "random", 3).equals(after.head(1))


def test_chance_is_fair() -> None:
    count = 2000
    before = table([[1.0, 0.5, 0.0]] * count)
    after = relabel(before, "random", 0)
    orders = Counter(map(tuple, after["rank"].to_list()))
    assert len(orders) == 6
    # Six orders, 2000 draws: three and a half standard deviations.
    assert all(abs(seen - count / 6) < 58 for seen in orders.values())
    assert not after.equals(relabel(before, "random", 1))


SCORES = {"red": [[3.0, 2.0, 1.0], [1.0, 2.0, 2.0]], "blue": [[5.0, 9.0, 1.0], [0.0, 0.0, 0.0]]}


def test_one_reward_ranks_by_its_wins() -> None:
    after = relabel(table([[0.5] * 3] * 2, **SCORES), ["red"], 0)
    assert after["preference"].to_list() == [[1, 0.5, 0], [0, 0.5, 0.5]]
    assert after["rank"].to_list() == [[1, 2, 3], [3, 1, 1]]


def test_rewards_together_count_the_same() -> None:
    before = table([[0.5] * 3] * 2, **SCORES)
    after = relabel(before, ["red", "blue"], 0)
    assert after["preference"].to_list() == [[3 / 4, 3 / 4, 0], [0, 0.25, 0.25]]
    assert after["rank"].to_list() == [[1, 1, 3], [3, 1, 1]]
    assert (after.columns, after.schema) == (before.columns, before.schema)
    assert after.drop(LABELS).equals(before.drop(LABELS))


def test_images_without_a_score_drop_out() -> None:
    scores = {"red": [[3.0, None, 1.0], [None, 2.0, None]]}
    after = relabel(table([[0.5] * 3] * 2, **scores), ["red"], 0)
    assert after.rows(named=True) == [
        {
            "row": 0,
            "key": "prompt 0",
            "prompt": "prompt 0",
            "images": [0, 2],
            "preference": [1.0, 0.0],
            "rank": [1, 2],
            "score_red": [3.0, 1.0],
        }
    ]


def test_rewards_that_are_not_there() -> None:
    with pytest.raises(TrainingError, match=r"reward 'rad'. Did you mean 'red'") as caught:
        relabel(table([[0.5] * 3] * 2, **SCORES), ["blue", "rad"], 0)
    assert caught.value.hint == "it has: red, blue"
    with pytest.raises(TrainingError, match="reward 'red'") as caught:
        relabel(table([[1.0, 0.0]]), ["red"], 0)
    assert "synpic score --dataset" in str(caught.value.hint)


def test_scores_that_cannot_be_trusted() -> None:
    with pytest.raises(RewardError, match="not finite"):
        relabel(table([[1.0, 0.0]], red=[[float("nan"), 1.0]]), ["red"], 0)


@pytest.mark.parametrize("value", [-0.25, 1.5, float("nan")])
@pytest.mark.parametrize("labels", ["published", "random"])
def test_what_is_no_share_of_wins_is_refused(value: float, labels: Any) -> None:
    before = table([[1.0, 0.0], [value, 0.0]], red=[[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(TrainingError, match=f"a published preference is {value:.3g}") as caught:
        relabel(before, labels, 0)
    assert "data.labels" in str(caught.value.hint)
    assert relabel(before, ["red"], 0)["rank"].to_list() == [[2, 1], [1, 2]]


def test_rows_that_prefer_nothing_are_left_out() -> None:
    before = table([[0.5, 0.5], [1.0, 0.0], [0.25, 0.25, 0.5], [0.0, 0.0, 0.0]])
    assert untied(before)["row"].to_list() == [1, 2]
