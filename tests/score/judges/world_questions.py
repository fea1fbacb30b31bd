"""Question graphs of the embedded world, and a judge that answers them from what a scene holds.

The graph follows from a prompt's meaning; the answers follow from the question's words and the
pixels alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from synpic.score.judges.expected_answers import QuestionReply, expected_answer
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.question_options import CANARY, AskedImages
from synpic.score.judges.question_rules import Rule, question_verdict
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from synpic.score.vlm_yes import NO, YES
from synpic.shapes.judge import Reading, read
from synpic.shapes.meaning import RELATIONS, Meaning

__all__ = ["SceneJudge", "question_graph"]

_PLURAL = {"cross": "crosses"}


def question_graph(meaning: Meaning) -> dict[str, Any]:
    """What a picture of ``meaning`` has to show, as questions."""
    questions: list[dict[str, Any]] = []

    def ask(text: str, category: str, parents: Sequence[str] = (), answer: str = "yes") -> str:
        name = f"{len(questions) + 1}"
        asked = {"id": name, "text": text, "parents": list(parents), "category": category}
        questions.append({**asked, "answer": answer})
        return name

    there = []
    for thing in meaning.things:
        there.append(ask(f"Is there a {thing.shape}?", "entity - whole"))
        if thing.colour:
            ask(f"Is the {thing.shape} {thing.colour}?", "attribute - color", there[-1:])
    if len(meaning.things) == 1:
        shape, number = meaning.things[0].shape, ["one", "two", "three", "four"][meaning.count - 1]
        several = _PLURAL.get(shape, f"{shape}s")
        ask(f"How many {several} are there?", "other - count", there, number)
    if meaning.relation:
        a, b = (thing.shape for thing in meaning.things)
        ask(f"Is the {a} {meaning.relation} the {b}?", "relation - spatial", there)
    if meaning.background:
        ask(f"Is the background {meaning.background}?", "global")
    return {"questions": questions}


def _there(scene: Reading, shape: str) -> str:
    return _yes(any(one.shape == shape for one in scene.found))


def _coloured(scene: Reading, shape: str, colour: str) -> str:
    return _yes(any((one.shape, one.colour) == (shape, colour) for one in scene.found))


def _counted(scene: Reading, shapes: str) -> str:
    singular = {plural: shape for shape, plural in _PLURAL.items()}.get(shapes, shapes[:-1])
    number = sum(one.shape == singular for one in scene.found)
    return ["zero", "one", "two", "three", "four"][number]


def _related(scene: Reading, first: str, relation: str, second: str) -> str:
    dx, dy = RELATIONS[relation]
    ones = [one for one in scene.found if one.shape == first]
    others = [one for one in scene.found if one.shape == second]
    ways = [(b.x - a.x, b.y - a.y) for a in ones for b in others]
    return _yes(any(x * dx + y * dy > 0.5 * np.hypot(x, y) for x, y in ways))


def _ground(scene: Reading, colour: str) -> str:
    return _yes(scene.background == colour)


_ANSWERS: dict[str, Callable[..., str]] = {
    r"Is there a (\w+)\?": _there,
    r"How many (\w+) are there\?": _counted,
    r"Is the background (\w+)\?": _ground,
    r"Is the (\w+) (left of|right of|above|below) the (\w+)\?": _related,
    r"Is the (\w+) (\w+)\?": _coloured,
    r"Does this image show .*": lambda scene: "no",
}


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


class SceneJudge(Judge):
    """Answers without a doubt: the probability of its answer is 1.

    Args:
        rule: what makes a verdict of the answers.
    """

    info: ClassVar[RewardInfo] = RewardInfo(summary="questions about scenes of the embedded world")
    preprocessing: Hashable = "a scene, read from pixels"

    def __init__(self, rule: Rule) -> None:
        self._rule: Rule = rule

    def pixels(self, image: Image.Image) -> Reading:
        return read(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        asked = AskedImages.of([one.spec for one in requirements])
        found = []
        for questions, scene in zip(asked.of_image, pixels, strict=True):
            replies = {}
            for one in questions:
                answer = self._answer(one.text, scene)
                right = answer == expected_answer(one.answer, YES, NO).name
                replies[one.id] = QuestionReply(answer, answer, float(right), right)
            found.append(question_verdict(questions, replies, self._rule))
        return found

    def canary(self) -> Requirement:
        return Requirement("a red elephant", spec=CANARY)

    @staticmethod
    def _answer(text: str, scene: Reading) -> str:
        for pattern, answer in _ANSWERS.items():
            if words := re.fullmatch(pattern, text):
                return answer(scene, *words.groups())
        raise ValueError(f"no such question: {text!r}")
