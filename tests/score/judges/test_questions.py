"""Questions that depend on each other: cases that the suites' own code decided."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import EvaluationError
from synpic.score.judges.questions import (
    ImageQuestion,
    arithmetic_mean,
    cascaded,
    check_questions,
    gated,
    geometric_mean,
)
from tests.score.judges.graphs import FIRST, WORKED, graph


@pytest.mark.parametrize(("questions", "answers", "dpg", "dsg"), WORKED)
def test_scores_are_those_of_the_suites(
    questions: list[ImageQuestion], answers: str, dpg: float, dsg: float
) -> None:
    given_ = {one.id: answer == "y" for one, answer in zip(questions, answers, strict=True)}
    assert sum(cascaded(questions, given_)) / len(questions) == pytest.approx(dpg)
    assert sum(gated(questions, given_)) / len(questions) == pytest.approx(dsg)


def test_dpg_s_mean_over_four_images() -> None:
    scores = []
    for answers in ("yyyy", "nyyy", "ynny", "nnyn"):
        given_ = {one.id: answer == "y" for one, answer in zip(FIRST, answers, strict=True)}
        scores.append(sum(cascaded(FIRST, given_)) / 4)
    assert scores == [1, 0.25, 0.25, 0.25]
    assert arithmetic_mean(scores) == 0.4375


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_means_of_atoms(probabilities: list[float]) -> None:
    am, gm = arithmetic_mean(probabilities), geometric_mean(probabilities)
    assert gm <= am + 1e-12
    assert gm == pytest.approx(math.prod(probabilities) ** (1 / len(probabilities)), abs=1e-6)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([], "no question"),
        (graph("1:0 1:0"), "two questions have the id '1'"),
        (graph("1:0 2:7"), "question '2' depends on '7', which is none of 1, 2"),
        (graph("1:3 2:1 3:2"), "in a circle: "),
        (graph("1:1"), "in a circle: 1 → 1"),
    ],
)
def test_what_cannot_be_counted_is_refused(questions: list[ImageQuestion], message: str) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        check_questions(questions, "'a red dog'")
    assert "'a red dog'" in caught.value.message
    check_questions(FIRST, "'a red dog'")
