"""Verdicts from answers to questions."""

from __future__ import annotations

import pytest

from synpic.score.judges.expected_answers import QuestionReply
from synpic.score.judges.official_quirks import QUIRKS, exactly, last_image_categories
from synpic.score.judges.question_rules import RULES, question_verdict
from synpic.score.judges.questions import ImageQuestion
from tests.score.judges.graphs import FIRST, WORKED, graph, replies


@pytest.mark.parametrize(("questions", "answers", "dpg", "dsg"), WORKED)
def test_scores_of_the_worked_table(
    questions: list[ImageQuestion], answers: str, dpg: float, dsg: float
) -> None:
    given = replies(questions, answers)
    for rule, score in (("dpg", dpg), ("dsg", dsg)):
        verdict = question_verdict(questions, given, rule)  # type: ignore[arg-type]
        assert verdict.score == pytest.approx(score)
        assert verdict.correct == (score == 1)
        # What was answered stays what it is, whatever a rule makes of it.
        assert [part.answer[0] for part in verdict.parts] == list(answers)


def test_soft_tifa_is_a_score_alone_and_leaves_dependencies_aside() -> None:
    given = replies(FIRST, "nyyy")
    am = question_verdict(FIRST, given, "soft-tifa-am")
    gm = question_verdict(FIRST, given, "soft-tifa-gm")
    assert am.score == (0.25 + 3 * 0.75) / 4
    assert gm.score == pytest.approx((0.25 * 0.75**3) ** 0.25)
    assert am.correct is None
    assert gm.correct is None
    assert [part.correct for part in am.parts] == [False, True, True, True]


def test_all_is_a_verdict_alone() -> None:
    assert question_verdict(FIRST, replies(FIRST, "yyyy"), "all").correct
    failed = question_verdict(FIRST, replies(FIRST, "nyyy"), "all")
    assert (failed.correct, failed.score) == (False, None)
    assert [part.correct for part in failed.parts] == [False, True, True, True]


def test_a_reason_names_what_failed_and_why() -> None:
    questions = [
        ImageQuestion("1", "Is there a dog?"),
        ImageQuestion("2", "Is the dog red?", ("1",)),
        ImageQuestion("3", "How many cats are there?", (), "two"),
        ImageQuestion("4", "Is there a cat?"),
    ]
    given = {
        **replies(questions, "nyny"),
        "3": QuestionReply("three", "three", 0.2, False),
    }
    for rule in ("dpg", "dsg"):
        assert question_verdict(questions, given, rule).reason == (  # type: ignore[arg-type]
            "Is there a dog? no; Is the dog red? yes, but it depends on: Is there a dog?; "
            "How many cats are there? three, not two"
        )
    # Of two parents that failed, the one whose own answer is wrong.
    far = [*questions[:2], ImageQuestion("3", "Does it bark?", ("2", "1"))]
    assert question_verdict(far, replies(far, "nyy"), "dpg").reason.endswith(
        "Does it bark? yes, but it depends on: Is there a dog?"
    )
    assert "depends" not in question_verdict(questions, given, "all").reason
    assert question_verdict(questions[:2], replies(questions[:2], "yy"), "dpg").reason == ""


def test_only_the_letter_counts_in_the_suites_own_programs() -> None:
    given = {
        one.id: exactly(one, QuestionReply("yes", text, 0.9, True))
        for one, text in zip(FIRST, ("Yes", "yes.", "yes", "yes it is"), strict=True)
    }
    for rule in ("dpg", "dsg"):
        verdict = question_verdict(FIRST, given, rule)  # type: ignore[arg-type]
        assert verdict.score == 0.25
        assert [part.answer for part in verdict.parts] == ["Yes", "yes.", "yes", "yes it is"]


def test_official_categories_of_one_prompt() -> None:
    chain = graph("1:0 2:1")
    images = [question_verdict(chain, replies(chain, one), "dpg").parts for one in ("yy", "ny")]
    assert last_image_categories(chain, images) == [False, True]
    assert last_image_categories(chain, []) == []


def test_each_quirk_says_where_it_is_from() -> None:
    assert all(set(one.rules) <= set(RULES) and "@" in one.source for one in QUIRKS)
