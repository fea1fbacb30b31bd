"""A suite with exact truth: right images score 1, and swapped images score by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from research.suites.asked import question_graph
from research.suites.judges import SceneQuestions
from synpic.evaluate.question_scores import AnsweredItem, QuestionScores, question_scores
from synpic.score.judges.judge import Requirement
from synpic.score.judges.question_rules import RULES, Rule
from synpic.score.judges.question_spec import questions_of
from synpic.shapes.judge import Reading, read
from synpic.shapes.meaning import Meaning, illustrate
from synpic.shapes.prompts import draw
from synpic.shapes.scene import to_image

TASKS = ("single", "two", "counting", "colours", "position", "colour_attribution")


@pytest.fixture(scope="module")
def world() -> tuple[list[Meaning], list[Reading]]:
    rng = np.random.default_rng(20)
    meanings = [draw(rng, task, "test")[0] for task in TASKS * 7]
    return meanings, [read(to_image(illustrate(one, rng))) for one in meanings]


def scored(meanings: Sequence[Meaning], scenes: Sequence[Reading], rule: Rule) -> QuestionScores:
    judge = SceneQuestions(rule)
    asked = [Requirement("", spec=question_graph(one)) for one in meanings]
    verdicts = judge.judge(asked, scenes)
    return question_scores(
        [
            AnsweredItem(questions_of(one.spec), [verdict.parts])
            for one, verdict in zip(asked, verdicts, strict=True)
        ],
        rule,
    )


@pytest.mark.parametrize("rule", RULES)
def test_right_images_score_1_and_swapped_images_score_by_chance(
    rule: Rule, world: tuple[list[Meaning], list[Reading]]
) -> None:
    meanings, scenes = world
    right = scored(meanings, scenes, rule)
    assert right.score == 1
    assert {one.value for one in right.broad.values()} == {1}
    assert (right.missing_images, right.yes) == (0, 1)
    # Chance: every prompt with the image of every other one.
    size = len(meanings)
    pairs = [(a, b) for a in range(size) for b in range(size) if a != b]
    chance = scored([meanings[a] for a, _ in pairs], [scenes[b] for _, b in pairs], rule)
    assert chance.score is not None
    assert chance.score < 0.4
    for by in (1, 5, 23):
        swapped = scored(meanings, [*scenes[by:], *scenes[:by]], rule)
        assert swapped.score == pytest.approx(chance.score, abs=0.12)
        assert swapped.yes is not None
        assert swapped.yes < 0.6


def test_its_canary_is_refused() -> None:
    judge = SceneQuestions("dsg")
    grey = judge.pixels(Image.new("RGB", (64, 64), (128, 128, 128)))
    (verdict,) = judge.judge([judge.canary()], [grey])
    assert not verdict.correct
    assert verdict.reason.endswith(" no")
