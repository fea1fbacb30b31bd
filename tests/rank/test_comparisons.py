"""People beside rewards: Algorithm 1, the other aggregations and agreement, from the definition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.optimize import minimize

from synpic.errors import RankingError
from synpic.rank import (
    AGGREGATIONS,
    Aggregation,
    Comparisons,
    Coverage,
    agreement,
    agreement_by_prompt,
    combine_labels,
    leave_one_out,
    rank,
)
from synpic.rank.aggregations import win_rate
from synpic.rank.bradley_terry import log_strengths_of_pairs
from synpic.rank.by_prompt import against_the_rest
from tests.rank.frames import WEIGHTS, identify, scored, scored_tables
from tests.rank.labelled import Votes, beats, label_rows, labels_of, votes_of

COMPARING = [name for name, one in AGGREGATIONS.items() if one.takes_comparisons]
TIES = st.sampled_from([0.0, 0.125, 0.2])


@st.composite
def judged(draw: st.DrawFn) -> tuple[pl.DataFrame, list[tuple[Any, ...]], dict[str, float], float]:
    """A table, rows of labels, weights of one or two rewards or none and of people, and a tie."""
    table = draw(scored_tables())
    rewards = draw(st.sampled_from([[], ["r"], ["r", "s"]]))
    names = draw(st.permutations([*rewards, "people"]))
    return table, draw(label_rows(table)), {one: draw(WEIGHTS) for one in names}, draw(TIES)


def said(rows: list[tuple[Any, ...]], tie: float = 0.0) -> dict[str, Comparisons]:
    pairs = combine_labels(labels_of(rows))
    return {"people": Comparisons(pairs, tie)}


def prompts_of(table: pl.DataFrame, weights: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """prompt → image → reward → score, of images with every reward, where there are two."""
    found: dict[str, dict[str, Any]] = {}
    for row in table.iter_rows(named=True):
        scores = {name: row[f"score_{name}"] for name in weights if name != "people"}
        if None not in scores.values():
            found.setdefault(row["prompt_id"], {})[row["candidate_id"]] = scores
    return {prompt: images for prompt, images in found.items() if len(images) >= 2}


def signs_of(
    images: Mapping[str, Mapping[str, float]], judge: str, votes: Votes, tie: float
) -> dict[tuple[str, str], int] | None:
    """What one judge says of every ordered pair; None where it takes no part."""
    pairs = [(i, j) for i in images for j in images if i != j]
    if judge == "people":
        if any(pair not in votes for pair in pairs):
            return None
        return {(i, j): beats(votes, i, j, tie) - beats(votes, j, i, tie) for i, j in pairs}
    score = {image: scores[judge] for image, scores in images.items()}
    return {(i, j): (score[i] > score[j]) - (score[i] < score[j]) for i, j in pairs}


def preference(
    name: str,
    images: Mapping[str, Any],
    judges: Mapping[str, dict[tuple[str, str], int]],
    weights: Mapping[str, float],
) -> dict[str, Fraction]:
    """win-rate, borda and majority, read out."""
    weight = {judge: Fraction(str(weights[judge])) for judge in judges}
    most = sum(weight.values()) * (len(images) - 1)
    found = {}
    for i in images:
        others = [j for j in images if j != i]
        if name == "majority":
            above = [sum(weight[one] * judges[one][i, j] for one in judges) > 0 for j in others]
            found[i] = Fraction(sum(above), len(others))
            continue
        worth = {"win-rate": {1: 1, 0: 0, -1: 0}, "borda": {1: 1, 0: Fraction(1, 2), -1: 0}}[name]
        found[i] = (
            sum(weight[one] * worth[judges[one][i, j]] for one in judges for j in others) / most
        )
    return found


@settings(max_examples=settings.default.max_examples // 2)
@pytest.mark.parametrize("name", ["win-rate", "borda", "majority"])
@given(case=judged())
def test_equals_the_definition(name: str, case: Any) -> None:
    table, rows, weights, tie = case
    ranking = rank(table, weights, comparisons=said(rows, tie), aggregation=name)
    got = {row["candidate_id"]: row for row in ranking.table.iter_rows(named=True)}
    votes, without, absent = votes_of(rows), 0, 0
    for images in prompts_of(table, weights).values():
        by = {judge: signs_of(images, judge, votes, tie) for judge in weights}
        judges = {judge: signs for judge, signs in by.items() if signs is not None}
        absent += "people" not in judges
        if not judges:
            without += 1
            continue
        expected = preference(name, images, judges, weights)
        for i in images:
            row = got.pop(i)
            assert row["preference"] == float(expected[i])
            assert row["rank"] == 1 + sum(other > expected[i] for other in expected.values())
            total = Fraction(0)
            for judge, signs in by.items():
                wins = signs and sum(signs[i, j] > 0 for j in images if j != i)
                assert row[f"wins_{judge}"] == wins
                total += Fraction(str(weights[judge])) * (wins or 0)
            assert row["wins"] == pytest.approx(float(total), rel=1e-15, abs=0)
    assert not got
    assert ranking.counts.without_preference == without
    assert ranking.absent == {"people": absent}
    assert ranking.table.schema["wins_people"] == pl.Int32


@given(case=judged())
def test_bradley_terry_is_where_the_likelihood_is_greatest(case: Any) -> None:
    """Each image wins as often as the strengths expect; nothing is unconnected or left out."""
    table, rows, weights, _ = case
    ranking = rank(table, weights, comparisons=said(rows), aggregation="bradley-terry")
    got = dict(ranking.table.select("candidate_id", "preference").iter_rows())
    votes, without, incomplete = votes_of(rows), 0, 0
    rewards = [name for name in weights if name != "people"]
    for images in prompts_of(table, weights).values():
        met = {pair for pair in votes if images.keys() >= set(pair)}
        if not rewards and not met:
            without += 1
            continue
        there = [image for image in images if image in got]
        if rewards:
            assert len(there) == len(images)
        else:
            incomplete += len(images) - len(there)
            parts = components(images, met)
            assert set(there) in parts
            assert len(there) == max(map(len, parts))
        theta = {image: math.log(got[image] / (1 - got[image])) for image in there}
        assert sum(theta.values()) == pytest.approx(0, abs=1e-6)
        judges = [*rewards, *["people"] * bool(met & {(i, j) for i in there for j in there})]
        total = sum(weights[one] for one in judges)
        for i in there:
            gradient = 0.0
            for j in there:
                if i == j:
                    continue
                shares = []
                for judge in judges:
                    share: float | None
                    if judge == "people":
                        share = float(votes[i, j]) if (i, j) in votes else None
                    else:
                        one, other = images[i][judge], images[j][judge]
                        share = 1.0 if one > other else 0.5 if one == other else 0.0
                    if share is not None:
                        shares.append((share, weights[judge] * len(judges) / total))
                if shares:
                    wins = 0.5 + sum(share * weight for share, weight in shares)
                    times = 1 + sum(weight for _, weight in shares)
                    gradient += wins - times / (1 + math.exp(theta[j] - theta[i]))
            assert gradient == pytest.approx(0, abs=1e-5)  # shares are millionths
    assert ranking.counts.without_preference == without
    lacking = len(table) - len(table.drop_nulls([f"score_{name}" for name in rewards] or None))
    assert ranking.counts.incomplete == incomplete + (lacking if rewards else 0)


@settings(max_examples=settings.default.max_examples // 2)
@given(case=judged())
def test_bradley_terry_ties_whole_prompts_as_borda_does(case: Any) -> None:
    """Where every pair is compared, in whole numbers: by points, a share being part of a win."""
    table, rows, weights, _ = case
    got = rank(table, weights, comparisons=said(rows), aggregation="bradley-terry").table
    ranks = dict(got.select("candidate_id", "rank").iter_rows())
    values = dict(got.select("candidate_id", "preference").iter_rows())
    millionths = {
        pair: Fraction(round(share * 10**6), 10**6) for pair, share in votes_of(rows).items()
    }
    for images in prompts_of(table, weights).values():
        if any((i, j) not in millionths for i in images for j in images if i != j):
            continue
        points = {i: Fraction(0) for i in images}
        for i, j in ((i, j) for i in images for j in images if i != j):
            points[i] += Fraction(str(weights["people"])) * millionths[i, j]
            for name in weights.keys() - {"people"}:
                one, other = images[i][name], images[j][name]
                points[i] += Fraction(str(weights[name])) * Fraction(
                    (one > other) - (one < other), 2
                )
        for i in images:
            assert ranks[i] == 1 + sum(other > points[i] for other in points.values())
            for j in images:
                assert (values[i] == values[j]) == (points[i] == points[j])


@pytest.mark.parametrize("weight", [1, 10_000, 5e12])
def test_a_millionth_of_a_vote_is_no_tie_beside_any_reward(weight: float) -> None:
    a, b, c = CYCLE
    table = scored({"p": {"r": [1.0, 1.0, 1.0]}})
    rows = [(a, b, 0.5, 1), (a, c, 0.500001, 1), (b, c, 0.5, 1)]
    weights = {"r": weight, "people": 1}
    got = rank(table, weights, comparisons=said(rows), aggregation="bradley-terry").table
    assert got["rank"].to_list() == [1, 2, 3]
    assert got["preference"].is_sorted(descending=True)
    rows = [(a, b, 0.5, 1), (a, c, 0.5, 1), (b, c, 0.5, 1)]
    got = rank(table, weights, comparisons=said(rows), aggregation="bradley-terry").table
    assert (got["rank"].to_list(), got["preference"].to_list()) == ([1] * 3, [0.5] * 3)


@settings(max_examples=settings.default.max_examples // 4)
@given(
    shares=st.lists(st.integers(0, 10**6), min_size=2, max_size=4),
    weight=WEIGHTS,
    random=st.randoms(use_true_random=False),
)
def test_images_of_like_comparisons_are_tied(shares: list[int], weight: float, random: Any) -> None:
    """Two images against the same others, and not against each other: no whole numbers say so."""
    k = len(shares) + 2
    table = scored({"p": {"r": [1.0, 1.0, *map(float, range(2, k))]}})
    a, b, *others = table["candidate_id"]
    rows = [
        (one, other, share / 10**6, 1)
        for one in (a, b)
        for other, share in zip(others, shares, strict=True)
    ]
    random.shuffle(rows)
    for weights in ({"people": 1.0}, {"people": 1.0, "r": weight}):
        got = rank(table, weights, comparisons=said(rows), aggregation="bradley-terry").table
        row = {one["candidate_id"]: one for one in got.iter_rows(named=True)}
        assert row[a]["rank"] == row[b]["rank"]
        assert row[a]["preference"] == row[b]["preference"]
    # Another share is another strength, whichever side it falls on.
    if 0 < shares[0] < 10**6:
        one, other, share, n = next(row for row in rows if row[:2] == (b, others[0]))
        rows[rows.index((one, other, share, n))] = (one, other, share + 1e-6, n)
        got = rank(
            table, {"people": 1.0}, comparisons=said(rows), aggregation="bradley-terry"
        ).table
        row = {one["candidate_id"]: one for one in got.iter_rows(named=True)}
        assert row[b]["rank"] < row[a]["rank"]


def components(images: Mapping[str, Any], met: set[tuple[str, str]]) -> list[set[str]]:
    parts = [{image} for image in images]
    for one, other in met:
        joined = [part for part in parts if part & {one, other}]
        parts = [part for part in parts if part not in joined] + [set().union(*joined)]
    return parts


@settings(max_examples=settings.default.max_examples // 4)
@pytest.mark.parametrize("name", COMPARING)
@given(case=judged(), random=st.randoms(use_true_random=False))
def test_neither_sides_nor_rows_nor_names_matter(name: str, case: Any, random: Any) -> None:
    table, rows, weights, tie = case
    here = rank(table, weights, comparisons=said(rows, tie), aggregation=name)
    turned = [
        (right, left, None if share is None else 1 - share, n) if random.random() < 0.5 else row
        for row in rows
        for left, right, share, n in [row]
    ]
    random.shuffle(turned)
    order = random.sample(range(len(table)), len(table))
    there = rank(table[order], weights, comparisons=said(turned, tie), aggregation=name)
    assert_frame_equal(there.table, here.table, check_exact=True)
    assert (there.counts, there.absent) == (here.counts, here.absent)

    renamed = {one: identify("another name", one) for one in table["candidate_id"]}
    other = rank(
        table.with_columns(pl.col("candidate_id").replace(renamed)),
        weights,
        comparisons=said([(*(renamed.get(o, o) for o in row[:2]), *row[2:]) for row in rows], tie),
        aggregation=name,
    )
    same = ["prompt_id", "model", "rank", "wins_people"]
    assert_frame_equal(other.table.select(same), here.table.select(same))
    assert other.counts == here.counts


@settings(max_examples=settings.default.max_examples // 4)
@pytest.mark.parametrize("name", COMPARING)
@given(table=scored_tables(), weight=WEIGHTS)
def test_a_source_that_takes_part_nowhere_changes_nothing(
    name: str, table: pl.DataFrame, weight: float
) -> None:
    alone = rank(table, {"r": 0.7, "s": 1.5}, aggregation=name)
    foreign = said([("no such image", "nor this", 1.0, 9)])
    weights = {"people": weight, "r": 0.7, "s": 1.5}
    beside = rank(table, weights, comparisons=foreign, aggregation=name)
    assert beside.table["wins_people"].null_count() == len(beside.table)
    assert_frame_equal(beside.table.drop("wins_people"), alone.table, check_exact=True)
    assert beside.counts == alone.counts
    assert beside.absent == {"people": alone.counts.kept_prompts}


CYCLE = [identify("p", model) for model in "abc"]
ROUND = [(CYCLE[0], CYCLE[1], 0.9, 10), (CYCLE[1], CYCLE[2], 0.8, 10), (CYCLE[2], CYCLE[0], 1, 3)]


@pytest.mark.parametrize("name", ["win-rate", "borda", "majority"])
def test_people_may_prefer_in_a_circle(name: str) -> None:
    table = scored({"p": {"r": [3.0, 2.0, 1.0]}})
    alone = rank(table, {"people": 1}, comparisons=said(ROUND), aggregation=name).table
    assert alone["wins_people"].to_list() == [1, 1, 1]
    assert (alone["preference"].to_list(), alone["rank"].to_list()) == ([0.5] * 3, [1] * 3)
    both = rank(table, {"r": 1, "people": 1}, comparisons=said(ROUND)).table
    assert both["preference"].to_list() == [3 / 4, 2 / 4, 1 / 4]


def test_shares_of_rows_are_weighed_by_votes_and_ties_are_read_as_written() -> None:
    a, b = CYCLE[:2]
    rows = [(a, b, 0.25, 4), (b, a, 0.0, None), (a, b, 0.5, 0), (a, a, 1.0, 5)]
    pairs = combine_labels(labels_of(rows))
    smaller = 400_000 if a < b else 600_000  # (4 · 0.25 + 1 · 1) / 5
    # A label that does not say of how many votes it is leaves their number unknown.
    assert pairs.rows() == [(*sorted((a, b)), smaller, None)]
    counted = combine_labels(labels_of([(a, b, 0.25, 4), (b, a, 1.0, 2), (a, b, None, None)]))
    assert counted["votes"].to_list() == [6]
    table = scored({"p": {"r": [1.0, 1.0]}})
    for tie, ranks in [(0.0, [2, 1]), (0.099, [2, 1]), (0.1, [1, 1]), (0.49, [1, 1])]:
        # 0.1 and the float32 0.4 and 0.6 mean tenths.
        for rows in ([(a, b, 0.25, 4), (b, a, 0.0, None)], [(a, b, 0.4, 7)], [(b, a, 0.6, 7)]):
            got = rank(table, {"people": 1}, comparisons=said(rows, tie)).table
            assert got["rank"].to_list() == ranks, (tie, rows)


def test_coverage_counts_prompts_with_two_images() -> None:
    table = scored({p: {"r": [1.0] * k} for p, k in [("p", 3), ("q", 3), ("s", 2), ("t", 1)]})
    rows = [*ROUND, (identify("q", "a"), identify("q", "c"), 1.0, 1)]
    assert said(rows)["people"].coverage(table) == Coverage(every=1, some=1, none=1)
    assert said(rows)["people"].coverage(table.clear()) == Coverage(0, 0, 0)


@settings(max_examples=settings.default.max_examples // 2)
@given(case=judged())
def test_agreement_with_people_equals_the_definition(case: Any) -> None:
    table, rows, weights, tie = case
    votes, given_ = votes_of(rows), said(rows, tie)
    taus: dict[tuple[str, str], dict[str, float]] = {}
    rest: dict[str, dict[str, float]] = {judge: {} for judge in weights}
    by_prompt: dict[str, list[float]] = {}
    for prompt, images in prompts_of(table, weights).items():
        by_prompt[prompt] = []
        by = {judge: signs_of(images, judge, votes, tie) for judge in weights}
        judges = {judge: signs for judge, signs in by.items() if signs is not None}
        for a, b in combinations(judges, 2):
            tau = tau_of(judges[a], judges[b])
            if tau is not None:
                taus.setdefault((a, b), {})[prompt] = tau
                by_prompt[prompt].append(tau)
        for judge, signs in judges.items():
            others = {name: other for name, other in judges.items() if name != judge}
            if others:
                phi = preference("win-rate", images, others, weights)
                order = {(i, j): (phi[i] > phi[j]) - (phi[i] < phi[j]) for i, j in signs}
                tau = tau_of(signs, order)
                if tau is not None:
                    rest[judge][prompt] = tau
    for a, b, tau, prompts in agreement(table, list(weights), given_).iter_rows():
        if a != b:
            found = taus.get((a, b), taus.get((b, a), {}))
            assert prompts == len(found)
            assert tau == (pytest.approx(sum(found.values()) / len(found)) if found else None)
    if len(weights) > 1:
        for judge, tau, prompts in leave_one_out(table, weights, given_).iter_rows():
            assert prompts == len(rest[judge])
            there = list(rest[judge].values())
            assert tau == (pytest.approx(sum(there) / len(there)) if there else None)
    for row in against_the_rest(table, weights, given_).iter_rows(named=True):
        for judge in weights:
            expected = rest[judge].get(row["prompt_id"])
            assert row[f"rest_{judge}"] == (None if expected is None else pytest.approx(expected))
    got = dict(agreement_by_prompt(table, list(weights), given_).iter_rows())
    assert got.keys() == by_prompt.keys()
    for prompt, found in by_prompt.items():
        assert got[prompt] == (pytest.approx(sum(found) / len(found)) if found else None)


def tau_of(a: Mapping[Any, int], b: Mapping[Any, int]) -> float | None:
    untied = math.sqrt(sum(map(abs, a.values())) * sum(map(abs, b.values())))
    return sum(a[pair] * b[pair] for pair in a) / untied if untied else None


TABLE = scored({"p": {"r": [1.0, 2.0, 3.0]}})


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: rank(TABLE, {"people": 1}, comparisons=said(ROUND), aggregation="mean-zscore"),
            "'mean-zscore' ranks by scores, and people compares pairs",
        ),
        (lambda: Comparisons(combine_labels(labels_of(ROUND)), tie=0.5), "tie = 0.5, expected"),
        (lambda: combine_labels(labels_of([("a", "b", 1.5, 1)])), "share = 1.5 of n = 1"),
        (lambda: combine_labels(labels_of([("a", "b", float("nan"), 1)])), "share = nan"),
        (lambda: combine_labels(labels_of([("a", "b", 1.0, -1)])), "n = -1"),
        (lambda: combine_labels(labels_of([]).drop("share")), "no column 'share'"),
        (
            lambda: Comparisons.of_labels(labels_of(ROUND), source="study", question="overal"),
            "no label of study answers the question 'overal'.*'overall'",
        ),
        (lambda: agreement(TABLE, ["people", "people"], said(ROUND)), "selected twice: people"),
        (
            lambda: Aggregation("both", win_rate, of_signs=win_rate, of_shares=win_rate),
            "'both' has both of_signs and of_shares",
        ),
    ],
)
def test_what_is_asked_wrongly(ask: Any, message: str) -> None:
    with pytest.raises(RankingError, match=message) as caught:
        ask()
    assert caught.value.hint


def test_strengths_are_those_of_published_examples() -> None:
    elo = 400 / math.log(10)
    two = log_strengths_of_pairs(np.array([[0.0, 60], [40, 0]])[..., None])[:, 0] * elo
    assert two[0] - two[1] == pytest.approx(70.44, abs=0.005)
    # A:B 60:40, B:C 70:30, A:C 75:20 and 5 ties, in points around 1,000.
    wins = np.array([[0.0, 60, 77.5], [40, 0, 70], [22.5, 30, 0]])[..., None]
    points = 1000 + log_strengths_of_pairs(wins)[:, 0] * elo
    assert points == pytest.approx([1095.2, 1025.6, 879.3], abs=0.06)


def test_strengths_add_up_along_a_chain_however_far() -> None:
    k, steps = 24, np.linspace(-9, 9, 23)
    wins = np.zeros((k, k, 1))
    for i, step in enumerate(steps):
        wins[i, i + 1], wins[i + 1, i] = 1, math.exp(-step)
    theta = log_strengths_of_pairs(wins)[:, 0]
    assert theta[:-1] - theta[1:] == pytest.approx(steps, abs=1e-8)


@given(
    st.integers(2, 6).flatmap(
        lambda k: st.lists(st.sampled_from([0.0, 0.25, 1.0, 7.5]), min_size=k * k, max_size=k * k)
    )
)
def test_strengths_are_where_an_optimiser_finds_the_likelihood_greatest(drawn: list[float]) -> None:
    k = math.isqrt(len(drawn))
    wins = np.array(drawn).reshape(k, k)
    np.fill_diagonal(wins, 0)
    wins += 0.5 * (abs(np.subtract.outer(np.arange(k), np.arange(k))) == 1)  # connected, both ways

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        chance = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
        lost = wins * (1 - chance)
        return -float((wins * np.log(chance)).sum()), lost.sum(axis=0) - lost.sum(axis=1)

    found = minimize(loss, np.zeros(k), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    got = log_strengths_of_pairs(wins[..., None])[:, 0]
    assert got == pytest.approx(found - found.mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("pairs", "ranked"),
    [
        ("ab cd de", "cde"),  # the most candidates
        ("ab cd de ce", "cde"),
        ("ab bc de ef df", "def"),  # of equally many, the most comparisons
        ("cd ab", "ab"),  # then the one whose first candidate stands first
        ("af be cd", "af"),
        ("ab bc cd de ef", "abcdef"),
    ],
)
def test_the_largest_connected_part_is_ranked(pairs: str, ranked: str) -> None:
    table = scored({"p": {"r": [None] * 6}, "q": {"r": [None] * 2}})
    rows = [(*(identify("p", one) for one in pair), 1.0, 1) for pair in pairs.split()]
    got = rank(table, {"people": 1}, comparisons=said(rows), aggregation="bradley-terry")
    assert "".join(got.table["model"]) == ranked
    assert got.counts.incomplete == 6 - len(ranked)
    assert (got.counts.kept_prompts, got.counts.without_preference) == (1, 1)
