"""Each aggregation against its definition, read out in plain Python."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from synpic.rank import AGGREGATIONS, rank
from tests.rank.frames import REWARDS, complete_prompts, scored, scored_tables, weightings

Images = Mapping[str, Mapping[str, float]]
Weights = Mapping[str, float]
EXACT = ("win-rate", "borda", "majority")
RANGE = {
    "win-rate": lambda k: (0.0, 1.0),
    "borda": lambda k: (0.0, 1.0),
    "mean-zscore": lambda k: (-math.sqrt(k - 1), math.sqrt(k - 1)),
    "bradley-terry": lambda k: (0.0, 1.0),
    "majority": lambda k: (0.0, 1.0),
}


def borda(images: Images, weights: Weights) -> dict[str, Fraction]:
    """From mean ranks: (k − mean rank) / (k − 1), averaged by weight."""
    total: dict[str, Fraction] = {image: Fraction(0) for image in images}
    for reward, weight in weights.items():
        ordered = sorted(-images[image][reward] for image in images)
        for image in images:
            score = -images[image][reward]
            places = [at + 1 for at, other in enumerate(ordered) if other == score]
            mean_rank = Fraction(sum(places), len(places))
            total[image] += Fraction(str(weight)) * (len(images) - mean_rank)
    scale = sum(Fraction(str(weight)) for weight in weights.values()) * (len(images) - 1)
    return {image: points / scale for image, points in total.items()}


def majority(images: Images, weights: Weights) -> dict[str, Fraction]:
    def above(i: str, j: str) -> bool:
        votes = Fraction(0)
        for reward, weight in weights.items():
            if images[i][reward] != images[j][reward]:
                up = images[i][reward] > images[j][reward]
                votes += Fraction(str(weight)) * (1 if up else -1)
        return votes > 0

    return {i: Fraction(sum(above(i, j) for j in images), len(images) - 1) for i in images}


@pytest.mark.parametrize(("name", "definition"), [("borda", borda), ("majority", majority)])
@given(table=scored_tables(), weights=weightings())
def test_exact_ones(
    name: str,
    definition: Callable[[Images, Weights], dict[str, Fraction]],
    table: pl.DataFrame,
    weights: dict[str, float],
) -> None:
    got = {
        row["candidate_id"]: row
        for row in rank(table, weights, aggregation=name).table.iter_rows(named=True)
    }
    for images in complete_prompts(table, REWARDS).values():
        expected = definition(images, weights)
        for image in images:
            assert got[image]["preference"] == float(expected[image])
            assert got[image]["rank"] == 1 + sum(v > expected[image] for v in expected.values())


@given(scored_tables(), weightings())
def test_mean_zscore(table: pl.DataFrame, weights: dict[str, float]) -> None:
    ranking = rank(table, weights, aggregation="mean-zscore")
    got = dict(ranking.table.select("candidate_id", "preference").iter_rows())
    for images in complete_prompts(table, REWARDS).values():
        for image in images:
            total = 0.0
            for reward, weight in weights.items():
                scores = [scores[reward] for scores in images.values()]
                if len(set(scores)) > 1:
                    off = images[image][reward] - statistics.fmean(scores)
                    total += weight * off / statistics.pstdev(scores)
            expected = total / sum(weights.values())
            assert got[image] == pytest.approx(expected, abs=1e-8)


def test_mean_zscore_survives_any_scale_and_any_constant() -> None:
    scores = {
        "tiny": [1e-200, 2e-200, 3e-200],
        "huge": [1e200, 2e200, 3e200],
        "same": [0.1, 0.1, 0.1],
    }
    got = rank(
        scored({"p": scores}, pl.Float64),
        {"tiny": 1, "huge": 1, "same": 1},
        aggregation="mean-zscore",
    )
    step = math.sqrt(1.5) * 2 / 3  # z of 1, 2, 3 is ±√(3/2); two of the three rewards see them
    assert got.table["preference"].to_list() == pytest.approx([-step, 0.0, step], abs=1e-12)


def test_mean_zscore_ties_what_only_rounding_keeps_apart() -> None:
    # The images take turns at three scores, so all have the same mean, up to rounding.
    scores = {"r": [0.1, 0.2, 0.4], "s": [0.2, 0.4, 0.1], "t": [0.4, 0.1, 0.2]}
    got = rank(scored({"p": scores}), dict.fromkeys("rst", 1), aggregation="mean-zscore")
    assert got.table["rank"].to_list() == [1, 1, 1]
    assert got.table["preference"].n_unique() == 1
    assert got.table["preference"][0] == pytest.approx(0, abs=1e-9)
    assert got.counts.tied_prompts == 1


@given(scored_tables(missing=False), weightings())
def test_bradley_terry_is_where_the_likelihood_is_greatest(
    table: pl.DataFrame, weights: dict[str, float]
) -> None:
    """Zero gradient of a concave likelihood: each wins as often as the strengths expect it to."""
    ranking = rank(table, weights, aggregation="bradley-terry")
    got = dict(ranking.table.select("candidate_id", "preference").iter_rows())
    n, total = len(weights), sum(weights.values())
    for images in complete_prompts(table, REWARDS).values():
        theta = {image: math.log(got[image] / (1 - got[image])) for image in images}
        assert sum(theta.values()) == pytest.approx(0, abs=1e-9)
        for i in images:
            gradient = 0.0
            for j in images:
                if i == j:
                    continue
                wins, losses = 0.5, 0.5  # the prior
                for reward, weight in weights.items():
                    share = weight * n / total
                    here, there = images[i][reward], images[j][reward]
                    win = 1.0 if here > there else 0.5 if here == there else 0.0
                    wins, losses = wins + share * win, losses + share * (1 - win)
                gradient += wins - (wins + losses) / (1 + math.exp(theta[j] - theta[i]))
            assert gradient == pytest.approx(0, abs=1e-8)


def test_bradley_terry_by_hand() -> None:
    # One reward, two images: 1½ wins to ½ with the prior, so π ratio 3 and θ = ±½ log 3.
    pair = rank(scored({"p": {"r": [2.0, 1.0]}}), {"r": 7}, aggregation="bradley-terry")
    even = 1 / (1 + math.sqrt(3))
    assert pair.table["preference"].to_list() == pytest.approx([1 - even, even], abs=1e-11)


@given(scored_tables(), weightings())
def test_bradley_terry_has_the_order_and_the_ties_of_borda(
    table: pl.DataFrame, weights: dict[str, float]
) -> None:
    fitted = rank(table, weights, aggregation="bradley-terry")
    counted = rank(table, weights, aggregation="borda")
    assert fitted.table["rank"].to_list() == counted.table["rank"].to_list()


def test_aggregations_differ_where_they_should() -> None:
    # a is a little above b three times and far below it twice.
    table = scored(
        {
            "p": {
                "r": [1.0, 0.9, 0.0],
                "s": [1.0, 0.9, 0.0],
                "t": [1.0, 0.9, 0.0],
                "u": [0.1, 1.0, 0.2],
                "v": [0.1, 1.0, 0.2],
            }
        }
    )
    weights = dict.fromkeys("rstuv", 1)
    winner = {
        name: rank(table, weights, aggregation=name).table.filter(rank=1)["model"].to_list()
        for name in AGGREGATIONS
    }
    # Wins: a 6, b 3 + 4 = 7, c 2. But three of five rewards put a above b.
    assert winner == {
        "win-rate": ["b"],
        "borda": ["b"],
        "mean-zscore": ["b"],
        "bradley-terry": ["b"],
        "majority": ["a"],
    }
    assert rank(table, weights).table["wins"].to_list() == [6.0, 7.0, 2.0]


@pytest.mark.parametrize("name", list(AGGREGATIONS))
@given(table=scored_tables(), weights=weightings(), random=st.randoms(use_true_random=False))
def test_what_holds_for_all(
    name: str, table: pl.DataFrame, weights: dict[str, float], random: object
) -> None:
    got = rank(table, weights, aggregation=name)
    plain = rank(table, weights)
    wins = ["wins_r", "wins_s", "wins_t", "wins"]
    assert_frame_equal(got.table.select(wins), plain.table.select(wins), check_exact=True)
    for _, prompt in got.table.group_by("prompt_id"):
        low, high = RANGE[name](len(prompt))
        # Ranks and preferences tell one story: the same order, the same ties.
        preference = prompt["preference"].to_list()
        assert all(low - 1e-9 <= value <= high + 1e-9 for value in preference)
        expected = [1 + sum(other > value for other in preference) for value in preference]
        assert prompt["rank"].to_list() == expected

    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = rank(table[order], weights, aggregation=name)
    assert shuffled.counts == got.counts
    assert_frame_equal(
        shuffled.table, got.table, check_exact=name in EXACT, rel_tol=0, abs_tol=1e-8
    )


@pytest.mark.parametrize("name", [name for name in AGGREGATIONS if name != "mean-zscore"])
@given(table=scored_tables())
def test_only_the_order_of_scores_matters(name: str, table: pl.DataFrame) -> None:
    bent = table.with_columns(pl.col("score_r").exp(), pl.col("score_s") ** 3)
    weights = {"r": 0.1, "s": 0.2, "t": 0.7}
    here, there = (rank(scores, weights, aggregation=name) for scores in (table, bent))
    assert_frame_equal(here.table, there.table, check_exact=True)
