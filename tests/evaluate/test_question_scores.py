"""Numbers of suites that ask questions: the worked table, SciPy, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy.stats import gmean

from synpic.evaluate.question_scores import (
    AnsweredItem,
    image_score,
    question_scores,
    share_of_yes,
)
from synpic.score.judges.question_rules import Rule, question_verdict
from synpic.score.judges.questions import ImageQuestion
from synpic.score.judges.verdict import VerdictPart
from tests.score.judges.graphs import FIRST, WORKED, graph, replies

FOUR = ("yyyy", "nyyy", "ynny", "nnyn")


def parts(questions: Sequence[ImageQuestion], answers: str, rule: Rule) -> list[VerdictPart]:
    return list(question_verdict(questions, replies(questions, answers), rule).parts)


def answered(
    questions: Sequence[ImageQuestion], answers: Sequence[str | None], rule: Rule = "dpg"
) -> AnsweredItem:
    images = [None if one is None else parts(questions, one, rule) for one in answers]
    return AnsweredItem(questions, images)


@pytest.mark.parametrize(("questions", "answers", "dpg", "dsg"), WORKED)
def test_an_image_counts_as_the_suites_count_it(
    questions: list[ImageQuestion], answers: str, dpg: float, dsg: float
) -> None:
    assert image_score(parts(questions, answers, "dpg"), "dpg") == pytest.approx(dpg)
    assert image_score(parts(questions, answers, "dsg"), "dsg") == pytest.approx(dsg)


def test_four_images_of_a_prompt_and_a_second_prompt() -> None:
    assert question_scores([answered(FIRST, FOUR)], "dpg").score == 0.4375
    chain = graph("1:0 2:1 3:2")
    both = question_scores([answered(FIRST, FOUR), answered(chain, ["nyy"])], "dpg")
    # A mean over prompts: the one with a single image counts as much as the one with four.
    assert both.score == (0.4375 + 0) / 2
    assert (both.items, both.images, both.missing_images, both.partial) == (2, 5, 0, False)


def test_what_is_missing_is_counted() -> None:
    found = question_scores(
        [answered(FIRST, ["yyyy", None, "nyyy", None]), answered(FIRST, [None, None])], "dpg"
    )
    assert found.score == (1 + 0.25) / 2
    assert (found.items, found.images) == (1, 2)
    assert (found.missing_items, found.missing_images, found.partial) == (1, 4, True)
    assert json.loads(json.dumps(found.as_dict()))["partial"] is True
    nothing = question_scores([answered(FIRST, [None])], "dsg")
    assert (nothing.score, nothing.yes, nothing.missing_items) == (None, None, 1)


CATEGORIES = ("entity - whole", "attribute - color", "entity - whole", "relation - spatial")
NAMED = [replace(one, category=name) for one, name in zip(FIRST, CATEGORIES, strict=True)]


def test_categories_count_every_image_with_dependencies() -> None:
    found = question_scores([answered(NAMED, FOUR)], "dpg")
    # Correct by the cascade: yyyy, nnyn, ynnn, nnyn.
    assert {name: (one.value, one.n) for name, one in found.categories.items()} == {
        "attribute - color": (1 / 4, 4),
        "entity - whole": (5 / 8, 8),
        "relation - spatial": (1 / 4, 4),
    }
    assert list(found.broad) == ["attribute", "entity", "relation"]
    assert found.broad["entity"].n == 8


def test_official_categories_are_those_of_the_last_image_without_dependencies() -> None:
    images = ("nnnn", "nyyy")
    official = question_scores([answered(NAMED, images)], "dpg", "official")
    assert {name: (one.value, one.n) for name, one in official.categories.items()} == {
        "attribute - color": (1, 1),
        "entity - whole": (1 / 2, 2),
        "relation - spatial": (1, 1),
    }
    ours = question_scores([answered(NAMED, images)], "dpg")
    assert ours.categories["attribute - color"].value == 0
    # The score itself is the same: the fault is in the categories.
    assert official.score == ours.score == 1 / 8


def test_soft_tifa_is_the_mean_of_means_of_probabilities() -> None:
    chances = [[0.9, 0.5, 0.25], [0.8], [0.3, 0.6]]
    items = []
    for values in chances:
        questions = [ImageQuestion(f"{n}", "?", category="object") for n in range(len(values))]
        found = [VerdictPart(f"{n}", "?", "yes", value, True) for n, value in enumerate(values)]
        items.append(AnsweredItem(questions, [found]))
    am, gm = (question_scores(items, rule) for rule in ("soft-tifa-am", "soft-tifa-gm"))
    assert am.score == pytest.approx(sum(sum(one) / len(one) for one in chances) / 3)
    assert gm.score == pytest.approx(sum(gmean(one) for one in chances) / 3)
    pooled = [value for one in chances for value in one]
    assert am.categories["object"].value == pytest.approx(sum(pooled) / len(pooled))


def test_all_of_the_questions_or_nothing() -> None:
    found = question_scores([answered(FIRST, ["yyyy", "ynyy"], "all")], "all")
    assert found.score == 0.5


def test_share_of_yes_is_of_the_answers_and_not_of_what_a_rule_makes_of_them() -> None:
    assert question_scores([answered(FIRST, ["nyyy", "nnnn"])], "dpg").yes == 3 / 8
    number = VerdictPart("1", "How many?", "three", 0.4, False)
    assert share_of_yes([[number]]) is None
    assert share_of_yes([[number, VerdictPart("2", "?", "Yes", 0.4, True)]]) == 1


def test_a_part_without_a_probability_has_no_soft_score() -> None:
    with pytest.raises(ValueError, match="has no probability"):
        image_score([VerdictPart("1", "Is it red?", "yes", None, True)], "soft-tifa-gm")
