"""A comparer beside rewards, or alone: Algorithm 1 by brute force, Bradley–Terry by another fit."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from synpic.errors import RankingError
from synpic.rank import Comparisons, rank

RECORD = {"fingerprint": "0" * 64}
WEIGHTS = {"red": 1.5, "versus": 2.0, "blue": 0.25}


def table(seed: int, prompts: int = 40) -> pl.DataFrame:
    """Prompts of two to five images, with few distinct scores, so that there are ties."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "prompt_id": f"p{prompt:02}",
            "candidate_id": f"p{prompt:02}-{number}",
            "score_red": float(rng.integers(0, 4)),
            "score_blue": float(rng.integers(0, 4)),
        }
        for prompt in range(prompts)
        for number in range(rng.integers(2, 6))
    ]
    return pl.DataFrame(rows)


def probabilities(scored: pl.DataFrame, seed: int, keep: float = 1.0) -> pl.DataFrame:
    """Of every pair, some of them ½; a share ``keep`` of the pairs."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "left": min(pair),
            "right": max(pair),
            "probability": float(np.float32(rng.choice([0.5, 0.55, rng.random()]))),
        }
        for _, of_prompt in scored.group_by("prompt_id", maintain_order=True)
        for pair in combinations(of_prompt["candidate_id"].to_list(), 2)
        if rng.random() < keep
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(("seed", "tie"), [(0, 0.0), (1, 0.1), (2, 0.25)])
def test_algorithm_1_is_that_of_its_definition(seed: int, tie: float) -> None:
    scored = table(seed)
    said = probabilities(scored, seed)
    versus = Comparisons.of_probabilities(said, RECORD, tie=tie)
    found = rank(scored, WEIGHTS, comparisons={"versus": versus})
    better = {}
    for left, right, p in said.iter_rows():
        # Read to a millionth, as shares are.
        margin = Fraction(round(p * 10**6), 10**6) - Fraction(1, 2)
        better[left, right] = margin > Fraction(str(tie))
        better[right, left] = -margin > Fraction(str(tie))
    weights = {name: Fraction(str(weight)) for name, weight in WEIGHTS.items()}
    values = {row["candidate_id"]: row for row in scored.to_dicts()}
    for _, of_prompt in scored.group_by("prompt_id"):
        images = of_prompt["candidate_id"].to_list()
        phi = {}
        for i in images:
            total = Fraction(0)
            for j in images:
                if i != j:
                    total += weights["versus"] * better[i, j]
                    for name in ("red", "blue"):
                        one, other = (values[x][f"score_{name}"] for x in (i, j))
                        total += weights[name] * (one > other)
            phi[i] = total / (sum(weights.values()) * (len(images) - 1))
        rows = found.table.filter(pl.col("candidate_id").is_in(images))
        for row in rows.iter_rows(named=True):
            mine = phi[row["candidate_id"]]
            assert row["preference"] == pytest.approx(float(mine), abs=1e-12)
            assert row["rank"] == 1 + sum(other > mine for other in phi.values())
            wins = sum(better[row["candidate_id"], j] for j in images if j != row["candidate_id"])
            assert row["wins_versus"] == wins


def test_bradley_terry_is_another_fit_s() -> None:
    """Of a comparer alone: its probabilities, and a tied comparison of each compared pair."""
    scored = table(3, prompts=12).select("prompt_id", "candidate_id")
    said = probabilities(scored, 3, keep=0.8)
    versus = Comparisons.of_probabilities(said, RECORD)
    found = rank(
        scored, {"versus": 1}, comparisons={"versus": versus}, aggregation="bradley-terry"
    ).table
    checked = 0
    for of_prompt in found.partition_by("prompt_id"):
        images = of_prompt["candidate_id"].to_list()
        place = {image: number for number, image in enumerate(images)}
        here = [row for row in said.iter_rows() if row[0] in place and row[1] in place]

        def loss(theta: np.ndarray, here: list[tuple] = here, place: dict = place) -> float:  # type: ignore[type-arg]
            total = theta.sum() ** 2
            for left, right, p in here:
                ahead = theta[place[left]] - theta[place[right]]
                wins = round(p * 10**6) / 10**6 + 0.5
                total += wins * np.logaddexp(0, -ahead) + (2 - wins) * np.logaddexp(0, ahead)
            return float(total)

        fit = minimize(loss, np.zeros(len(images)), method="BFGS", options={"gtol": 1e-9})
        expected = 1 / (1 + np.exp(-(fit.x - fit.x.mean())))
        assert of_prompt["preference"].to_numpy() == pytest.approx(expected, abs=1e-5)
        checked += 1
    assert checked >= 10


@pytest.mark.parametrize("value", [float("nan"), 1.01, -0.5, None])
def test_what_is_no_probability_is_named(value: float | None) -> None:
    rows = pl.DataFrame(
        {"left": ["a", "a"], "right": ["b", "c"], "probability": [0.5, value]},
        schema_overrides={"probability": pl.Float64},
    )
    with pytest.raises(RankingError, match=r"that a is better than c is .*, expected 0 … 1"):
        Comparisons.of_probabilities(rows, RECORD)


def test_a_pair_is_one_pair_whichever_stands_left() -> None:
    rows = pl.DataFrame({"left": ["b"], "right": ["a"], "probability": [0.9]})
    ((one, other, share, votes),) = Comparisons.of_probabilities(rows, RECORD).pairs.iter_rows()
    assert (one, other, share, votes) == ("a", "b", 100_000, None)
