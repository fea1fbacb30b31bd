"""Accuracy against people, held to plain Python and to raters of known reliability."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.evaluate.accuracy import (
    PHI,
    accuracies,
    count_pairs,
    judged_pairs,
    one_vote,
    phi_judges,
)
from synpic.rank.comparisons import Comparisons
from tests.grids import slow_but

SCORES = st.none() | st.integers(0, 3)
LABEL_TYPES = {
    "prompt_id": pl.String,
    "left": pl.String,
    "right": pl.String,
    "question": pl.String,
    "share": pl.Float32,
    "n": pl.Int32,
}


def labels_of(rows: list[tuple[str, str, str, float | None, int | None]]) -> pl.DataFrame:
    told = [(prompt, left, right, "overall", share, n) for prompt, left, right, share, n in rows]
    return pl.DataFrame(told, schema=LABEL_TYPES, orient="row")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, list[Any]]:
    """Candidates with two judges, and labels of some pairs of them, several of one pair too."""
    images = [(f"p{p}", f"p{p}i{i}") for p in range(3) for i in range(draw(st.integers(2, 4)))]
    rows = [
        {
            "prompt_id": prompt,
            "candidate_id": image,
            "model": draw(st.sampled_from("mn")),
            "value.a": draw(SCORES),
            "value.b": draw(SCORES),
        }
        for prompt, image in images
    ]
    table = pl.DataFrame(rows, schema_overrides={"value.a": pl.Float32, "value.b": pl.Float32})
    sides = [
        (p, one, two)
        for (p, one), (q, two) in itertools.permutations([*images, ("p0", "absent")], 2)
        if p == q
    ]
    share = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    labels = [
        (*draw(st.sampled_from(sides)), draw(share), draw(st.none() | st.sampled_from([4, 8])))
        for _ in range(draw(st.integers(1, 12)))
    ]
    return table, labels


@given(world=worlds())
def test_accuracy_is_what_plain_python_counts(world: tuple[pl.DataFrame, list[Any]]) -> None:
    table, labels = world
    comparisons = Comparisons.of_labels(labels_of(labels))
    judged = judged_pairs(comparisons, table, ["a", "b"])

    votes: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for _, left, right, share, n in labels:
        if share is not None:
            at = votes[min(left, right), max(left, right)]
            at[0] += (n or 1) * (share if left < right else 1 - share)
            at[1] += n or 1
    rows = {row["candidate_id"]: row for row in table.iter_rows(named=True)}
    here = {pair: won / cast for pair, (won, cast) in votes.items() if set(pair) <= rows.keys()}
    decided = {pair: share > 0.5 for pair, share in here.items() if share != 0.5}
    complete = {
        pair: first
        for pair, first in decided.items()
        if all(rows[one][f"value.{judge}"] is not None for one in pair for judge in "ab")
    }
    counts = count_pairs(comparisons, judged, ["a", "b"])
    assert (counts.pairs, counts.absent) == (len(here), len(votes) - len(here))
    assert counts.ties == len(here) - len(decided)
    assert (counts.unscored, counts.judged) == (len(decided) - len(complete), len(complete))

    for found in accuracies(judged, ["a", "b"], by_models=True):
        outcomes = []
        for (one, other), first in complete.items():
            if found.models not in (
                None,
                tuple(sorted((rows[one]["model"], rows[other]["model"]))),
            ):
                continue
            ours, theirs = (rows[side][f"value.{found.judge}"] for side in (one, other))
            outcomes.append(0.5 if ours == theirs else float((ours > theirs) == first))
        assert found.accuracy.n == len(outcomes)
        assert found.ties == outcomes.count(0.5)
        if outcomes:
            assert found.accuracy.value == pytest.approx(sum(outcomes) / len(outcomes))
        else:
            assert found.accuracy.value is None


@given(world=worlds())
def test_neither_the_side_nor_the_order_of_labels_matters(
    world: tuple[pl.DataFrame, list[Any]],
) -> None:
    table, labels = world
    turned = [
        (prompt, right, left, None if share is None else 1 - share, n)
        for prompt, left, right, share, n in reversed(labels)
    ]
    both = [
        judged_pairs(Comparisons.of_labels(labels_of(rows)), table, ["a", "b"])
        for rows in (labels, turned)
    ]
    assert both[0].equals(both[1])


@given(world=worlds())
def test_a_judge_turned_around_is_right_where_it_was_wrong(
    world: tuple[pl.DataFrame, list[Any]],
) -> None:
    table, labels = world
    table = table.with_columns(-pl.col("value.a").alias("value.b"))
    judged = judged_pairs(Comparisons.of_labels(labels_of(labels)), table, ["a", "b"])
    known = judged.drop_nulls("right.a")
    assert (known["right.a"] + known["right.b"] == 1).all()


def test_close_votes_are_a_tie_where_that_is_asked() -> None:
    table = pl.DataFrame(
        {
            "prompt_id": ["p"] * 3,
            "candidate_id": ["a", "b", "c"],
            "model": ["m", "m", "n"],
            "value.r": [3.0, 2.0, 1.0],
        }
    )
    labels = labels_of([("p", "a", "b", 0.6, 10), ("p", "a", "c", 0.8, 10)])
    strict = judged_pairs(Comparisons.of_labels(labels), table, ["r"])
    assert strict["decided"].to_list() == [True, True]
    close = judged_pairs(Comparisons.of_labels(labels, tie=0.1), table, ["r"])
    assert close["decided"].to_list() == [False, True]
    assert close["right.r"].to_list() == [None, 1.0]


RELIABILITIES = [(p, votes) for p in (0.5, 0.6, 0.75, 0.9) for votes in (1, 5)]
FAST = [(0.6, 1), (0.75, 5), (0.9, 5)]


@pytest.mark.parametrize(("reliability", "votes"), slow_but(FAST, RELIABILITIES))
def test_the_reliability_of_simulated_raters_is_found(reliability: float, votes: int) -> None:
    """Raters prefer the better image with a known probability, each vote on its own."""
    random, held, agreed, worlds = np.random.default_rng(3), 0, 0, 40
    prompts, k = 60, 3
    pairs = list(itertools.combinations(range(k), 2))
    majority = sum(
        reliability**won * (1 - reliability) ** (votes - won) * _choose(votes, won)
        for won in range(votes // 2 + 1, votes + 1)
    )
    for _ in range(worlds):
        better = random.random((prompts, k))
        table = pl.DataFrame(
            {
                "prompt_id": [f"p{p}" for p in range(prompts) for _ in range(k)],
                "candidate_id": [f"{p}-{i}" for p in range(prompts) for i in range(k)],
                "model": ["m"] * (prompts * k),
                "value.truth": better.ravel(),
            }
        )
        right = random.binomial(votes, reliability, (prompts, len(pairs))) / votes
        rows = [
            (
                f"p{p}",
                f"{p}-{i}",
                f"{p}-{j}",
                float(share if better[p, i] > better[p, j] else 1 - share),
                votes,
            )
            for p in range(prompts)
            for (i, j), share in zip(pairs, right[p], strict=True)
        ]
        labels = labels_of(rows)
        (found,) = accuracies(
            judged_pairs(Comparisons.of_labels(labels), table, ["truth"]), ["truth"]
        )
        assert found.accuracy.low is not None
        assert found.accuracy.high is not None
        held += found.accuracy.low <= majority <= found.accuracy.high
        vote = one_vote(labels)
        if votes > 1:
            assert vote.low is not None
            assert vote.high is not None
            agreed += vote.low <= _one_with_others(reliability, votes) <= vote.high
        else:
            assert vote.value is None
    assert held >= 0.85 * worlds  # 95 % of 40 worlds, less four deviations
    assert votes == 1 or agreed >= 0.85 * worlds


def _choose(n: int, k: int) -> int:
    return len(list(itertools.combinations(range(n), k)))


def _one_with_others(reliability: float, votes: int) -> float:
    """The chance that a vote is with most of the others, by all outcomes."""
    total = 0.0
    for outcome in itertools.product((True, False), repeat=votes):
        chance = np.prod([reliability if right else 1 - reliability for right in outcome])
        others = sum(outcome[1:]) * 2 - (votes - 1)
        total += chance * (0.5 if others == 0 else float((others > 0) == outcome[0]))
    return float(total)


def test_one_vote_counts_each_pair_once_and_no_ties_of_single_raters() -> None:
    assert one_vote(labels_of([("p", "a", "b", 1.0, 1), ("p", "b", "a", 0.5, None)])).n == 0
    # 3 : 1: three of four votes have 2 : 1 of the others with them, the fourth none.
    split = labels_of([("p", "a", "b", 0.75, 4), ("q", "c", "d", 1.0, 2), ("q", "c", "d", None, 3)])
    assert one_vote(split).value == pytest.approx((0.75 + 1) / 2)
    # Three votes of 1.5 for each side hold a tie or three, and weighted votes are no votes at all.
    assert one_vote(labels_of([("p", "a", "b", 0.5, 3), ("q", "c", "d", 0.81, 10)])).n == 0
    assert one_vote(labels_of([("p", "a", "b", 1 / 3, 3)])).value == pytest.approx(1 / 3)
    rows = [("p", "a", "b", 1.0, 1), ("p", "b", "a", 0.0, None), ("p", "a", "b", 0.0, 1)]
    assert one_vote(labels_of(rows)).value == pytest.approx((2 / 3) * 0.5)


def test_phi_is_a_judge_where_there_are_several_rewards() -> None:
    assert phi_judges({"a": 1.0}) == {}
    assert phi_judges({"a": 1.0, "b": 2.0}) == {
        PHI: {"a": 1.0, "b": 2.0},
        "φ without a": {"b": 2.0},
        "φ without b": {"a": 1.0},
    }
