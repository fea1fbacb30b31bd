"""A report finds what was put in: win rates, agreement, bias, inattention."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synpic.errors import WorkspaceError
from synpic.evaluate.intervals import Estimate
from synpic.study.agreement import alpha_of_counts
from synpic.study.choices import choices_of
from synpic.study.raters import RaterRule, look_at_raters
from synpic.study.report import elo_ratings, make_report
from synpic.workspace.votes import Vote, Votes, read_votes
from synpic_cli.study_options import share_of
from tests.study import simulated
from tests.study.simulated import Ways


def holds(estimate: Estimate, value: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= value <= estimate.high


@pytest.mark.parametrize("seeds", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_what_was_put_in_is_found_over_a_grid(seeds: int) -> None:
    """95 % intervals hold the value that was put in about 95 times of 100."""
    study = simulated.study(150)
    found: dict[str, list[bool]] = {"win rate": [], "alpha": [], "left": [], "repeated": []}
    grid = product((0.5, 0.65, 0.8), (0.4, 0.7, 0.9), (0.0, 0.15), range(seeds))
    for first, reliability, bias, seed in grid:
        ways = Ways(reliability, bias)
        raters = {f"r{n}": ways for n in range(4)}
        report = make_report(study, simulated.votes(study, raters, first, seed=seed))
        (question,) = report.questions
        (pair,) = question.pairs
        rate = first * ways.true + (1 - first) * (1 - ways.true)
        found["win rate"].append(holds(pair.win_rate, rate))
        found["alpha"].append(holds(question.alpha, ways.alpha(first)))
        found["left"].append(holds(report.left_side, ways.left))
        found["repeated"].append(holds(report.repeated, ways.same))
    assert {name: len(all_) for name, all_ in found.items()} == dict.fromkeys(found, 18 * seeds)
    # Of 18, as many as 3 may miss.
    least = 0.83 if seeds == 1 else 0.87
    assert all(np.mean(all_) >= least for all_ in found.values()), found


@settings(max_examples=settings.default.max_examples // 12)
@given(reliability=st.floats(0.7, 1), first=st.floats(0.2, 0.8), seed=st.integers(0, 10**6))
def test_raters_who_do_not_look_are_found_and_change_nothing(
    reliability: float, first: float, seed: int
) -> None:
    study = simulated.study(240)  # with 12 checks
    good = {f"good{n}": Ways(reliability) for n in range(2)}
    alone = make_report(study, simulated.votes(study, good, first, seed=seed))
    votes = simulated.votes(study, {**good, "bad": Ways(bias=1.0)}, first, seed=seed)
    report = make_report(study, votes)
    out = {one.rater: one.left_out for one in report.raters}
    # Someone who takes the left image always passes half of the checks by chance.
    passed = next(one.passed for one in report.raters if one.rater == "bad")
    assert (out["bad"] is not None) == (passed < 0.6 * 12)
    if out["bad"] is not None and not any(out[name] for name in good):
        assert report.questions == alone.questions


def test_a_tie_is_half_a_win_and_so_is_both_bad_and_a_skip_is_nothing() -> None:
    study = simulated.study(4)
    votes = simulated.votes(study, {"r": Ways(1.0)}, 1.0, repeats=0)
    answers = pl.Series(["left", "tie", "both_bad", "skip"])
    real = votes.filter(pl.col("kind") == "real").sort("comparison")
    left = [study.by_id[f"c{n}"].first.candidate_id for n in range(4)]
    right = [study.by_id[f"c{n}"].second.candidate_id for n in range(4)]
    votes = real.with_columns(answer=answers, left=pl.Series(left), right=pl.Series(right))
    (pair,) = make_report(study, votes).questions[0].pairs
    assert (pair.wins, pair.losses, pair.ties, pair.both_bad, pair.skipped) == (1, 0, 1, 1, 1)
    assert (pair.win_rate.value, pair.win_rate.n, pair.comparisons) == (pytest.approx(2 / 3), 3, 3)


def test_votes_of_one_prompt_count_less_than_votes_of_many() -> None:
    many, few = simulated.study(80), simulated.study(80, per_prompt=8)
    widths = []
    for study in (many, few):
        # In both, the truth of eight comparisons that follow each other is one.
        votes = simulated.votes(study, {"r": Ways(1.0)}, 1.0, repeats=0)
        lost = [one.id for n, one in enumerate(study.comparisons) if n // 8 % 2]
        swapped = pl.col("answer").replace({"left": "right", "right": "left"})
        turned = pl.when(pl.col("comparison").is_in(lost)).then(swapped).otherwise("answer")
        (pair,) = make_report(study, votes.with_columns(answer=turned)).questions[0].pairs
        assert pair.win_rate.value == 0.5
        assert pair.win_rate.low is not None
        widths.append(0.5 - pair.win_rate.low)
    assert widths[1] > 2.5 * widths[0]


def test_alpha_of_the_worked_case() -> None:
    ratings = np.array([[1, 1, 0, -1, 1, 0], [1, 0, 0, 1, 1, -1], [1, 1, 0, 1, 0, 0]])
    counts = np.array([[(unit == value).sum() for value in (0, 1)] for unit in ratings.T])
    assert alpha_of_counts(counts) == pytest.approx(0.5238, abs=5e-5)
    assert alpha_of_counts(np.array([[2, 0], [3, 0]])) is None
    assert alpha_of_counts(np.array([[1, 0], [0, 1]])) is None


def test_ratings_of_the_worked_case() -> None:
    wins = np.array([[0, 60, 77.5], [40, 0, 70], [22.5, 30, 0]])
    found = elo_ratings(["A", "B", "C"], wins)
    assert found is not None
    assert [found[name] for name in "ABC"] == pytest.approx([1095.2, 1025.6, 879.3], abs=0.1)
    assert elo_ratings(["A", "B", "C"], np.array([[0, 3, 0], [2, 0, 0], [0, 0, 0]])) is None
    assert elo_ratings(["A", "B", "C"], np.array([[0, 3, 1], [2, 0, 1], [0, 1, 0]])) is None


def test_three_models_get_ratings_in_the_order_of_their_wins() -> None:
    study = simulated.study(180, models=("a", "b", "c"))
    report = make_report(study, simulated.votes(study, {"r": Ways(0.9), "s": Ways(0.9)}, 0.75))
    ratings = report.questions[0].ratings
    assert ratings is not None
    assert ratings["a"] > ratings["b"] > ratings["c"]
    assert sum(ratings.values()) == pytest.approx(3000)
    assert [(one.first, one.second) for one in report.questions[0].pairs] == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip


def test_who_answers_faster_than_anyone_looks_is_left_out_and_the_rule_is_an_option() -> None:
    study = simulated.study(20)
    fast = simulated.votes(study, {"fast": Ways(1.0)}, milliseconds=50)
    report = make_report(study, fast)
    assert "median time" in str(report.raters[0].left_out)
    assert (report.votes, report.questions[0].pairs) == (0, [])
    assert report.as_dict()["rule"]["fastest"] == 300
    kept = make_report(study, fast, RaterRule(fastest=0))
    assert kept.raters[0].left_out is None
    assert kept.votes == fast.height


def test_skips_take_no_part_in_the_median_time() -> None:
    study = simulated.study(20)
    votes = simulated.votes(study, {"r": Ways(1.0, looks=1.0)}, repeats=0).sort("number")
    skipped = (pl.col("kind") == "real") & (pl.col("number") <= 15)
    votes = votes.with_columns(
        answer=pl.when(skipped).then(pl.lit("skip")).otherwise("answer"),
        milliseconds=pl.when(skipped).then(0).otherwise("milliseconds"),
    )
    (one,) = make_report(study, votes).raters
    assert one.left_out is None
    assert one.median is not None
    assert one.median >= 2000
    (none,) = make_report(study, votes.filter(skipped)).raters
    assert (none.median, none.left_out) == (None, None)


@pytest.mark.parametrize(("text", "passed", "checks"), [
    ("28%", 7, 25), ("0.07", 7, 100), ("28.1%", 281, 1000), ("60%", 3, 5), ("100%", 3, 3),
])  # fmt: skip
def test_a_rater_who_passed_just_the_share_counts(text: str, passed: int, checks: int) -> None:
    rule = RaterRule(passed=share_of(text))
    rows = [
        {"number": n, "rater": rater, "kind": "check", "comparison": f"k{n}", "question": "q",
         "choice": "first" if n < passed - (rater == "worse") else "second", "answer": "left",
         "milliseconds": 1000}
        for rater in ("just", "worse")
        for n in range(checks)
    ]  # fmt: skip
    just, worse = look_at_raters(pl.DataFrame(rows), rule)
    assert just.left_out is None
    assert worse.left_out == f"passed {passed - 1} of {checks} checks"


def test_checks_that_were_called_both_bad_count_neither_way() -> None:
    study = simulated.study(200)
    votes = simulated.votes(study, {"r": Ways(1.0, looks=1.0), "s": Ways(1.0, looks=1.0)}, 1.0)
    of_r = (pl.col("kind") == "check") & (pl.col("rater") == "r")
    numbers = votes.filter(of_r)["number"]
    bad = pl.col("number").is_in(numbers[:4].implode())
    report = make_report(
        study, votes.with_columns(answer=pl.when(bad).then(pl.lit("both_bad")).otherwise("answer"))
    )
    one, other = report.raters
    assert (one.checks, one.passed, one.both_bad) == (len(numbers) - 4, len(numbers) - 4, 4)
    assert (other.checks, other.both_bad, one.left_out) == (len(numbers), 0, None)
    assert (report.passed.value, report.passed.n) == (1.0, 2 * len(numbers) - 4)
    assert report.both_bad_checks == 4


def test_votes_of_another_study_are_refused() -> None:
    study = simulated.study(5)
    votes = simulated.votes(study, {"r": Ways()})
    for change in ({"comparison": "c9"}, {"left": "0" * 32}, {"question": "other"}):
        wrong = votes.with_columns(**{name: pl.lit(value) for name, value in change.items()})
        with pytest.raises(WorkspaceError, match="vote 1 is of comparison"):
            choices_of(study, wrong)


def test_a_study_without_votes_has_a_report() -> None:
    report = make_report(simulated.study(5), simulated.votes(simulated.study(5), {}))
    assert (report.votes, report.seconds, report.left_side.value) == (0, None, None)
    assert report.questions[0].alpha.value is None


def test_the_report_reads_the_file_of_votes(tmp_path: Path) -> None:
    study = simulated.study(20)
    votes = simulated.votes(study, {"r": Ways(), "s": Ways()})
    with Votes(tmp_path / "votes.db", create=True) as file:
        for row in votes.drop("number").iter_rows(named=True):
            file.append(Vote(**row))
    assert make_report(study, read_votes(tmp_path / "votes.db")) == make_report(study, votes)
