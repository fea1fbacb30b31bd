"""Judges of the embedded world by the rules of others: what they see is what its own judge reads.

What is asked follows from a prompt's meaning; the answers follow from the words of a question and
from the pixels alone, without a doubt: each has the probability 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np
from PIL.Image import Image

from research.suites.asked import NUMBERS, plural, wanted_objects
from synpic.score.judges.expected_answers import QuestionReply, expected_answer
from synpic.score.judges.geneval import Detection, judge_objects
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.question_options import CANARY, AskedImages
from synpic.score.judges.question_rules import Rule, question_verdict
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import RewardInfo
from synpic.score.vlm_yes import NO, YES
from synpic.shapes.judge import FoundShape, Reading, read
from synpic.shapes.meaning import RELATIONS, parse
from synpic.shapes.scene import SHAPES

__all__ = ["SceneGenEval", "ScenePhrases", "SceneQuestions", "detections"]

_SINGULAR = {plural(shape): shape for shape in SHAPES}


class _SceneJudge(Judge):
    preprocessing: Hashable = "reading of the shapes world"

    def pixels(self, image: Image) -> Reading:
        """What the picture shows."""
        return read(image)


def detections(scene: Reading) -> dict[Detection, str]:
    """What the picture shows, as a detector would find it; with the colour of each."""

    def box(seen: FoundShape) -> tuple[float, float, float, float]:
        return seen.x - 5.5, seen.y - 5.5, seen.x + 5.5, seen.y + 5.5

    return {
        Detection(seen.shape or "?", box(seen), 0.95): seen.colour or "?" for seen in scene.found
    }


class SceneGenEval(_SceneJudge):
    """GenEval's rule."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="GenEval's rule on the embedded world")

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """Correct or not; each clause is a part."""
        found = []
        for asked, scene in zip(requirements, pixels, strict=True):
            seen = detections(scene)
            wanted = wanted_objects(parse(asked.prompt))
            found.append(judge_objects(wanted, list(seen), seen.__getitem__))
        return found

    def canary(self) -> Requirement:
        """A red circle, which a plain picture does not show."""
        return Requirement("a red circle")


class SceneQuestions(_SceneJudge):
    """Questions of a graph, answered, and counted by a suite's rule.

    Args:
        rule: what makes a verdict of the answers.
        quirks: "official" counts categories as DPG-Bench's program does; the answers are spelt as
            its program expects them.
    """

    info: ClassVar[RewardInfo] = RewardInfo(summary="questions about scenes of the embedded world")

    def __init__(self, rule: Rule = "dsg", quirks: str = "none") -> None:
        del quirks
        self._rule: Rule = rule

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """By the rule; each question is a part."""
        asked = AskedImages.of([one.spec for one in requirements])
        found = []
        for questions, scene in zip(asked.of_image, pixels, strict=True):
            replies = {}
            for one in questions:
                answer = _answer(one.text, scene)
                right = answer == expected_answer(one.answer, YES, NO).name
                replies[one.id] = QuestionReply(answer, answer, float(right), right)
            found.append(question_verdict(questions, replies, self._rule))
        return found

    def canary(self) -> Requirement:
        """A question to which no is right."""
        return Requirement("a red elephant", spec=CANARY)


class ScenePhrases(_SceneJudge):
    """T2I-CompBench's rule of attributes: the product over noun phrases of whether each is true."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="noun phrases about scenes, multiplied")

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """A score, and neither correct nor not; each phrase is a part."""
        return [self._verdict(*one) for one in zip(requirements, pixels, strict=True)]

    def canary(self) -> Requirement:
        """A red circle."""
        return Requirement("a red circle", spec={"phrases": ["a red circle"]})

    @staticmethod
    def _verdict(asked: Requirement, scene: Reading) -> Verdict:
        true = [(phrase, _shown(phrase, scene)) for phrase in asked.spec["phrases"]]
        parts = tuple(
            VerdictPart(f"{n}", f"{phrase}?", _yes(is_true), float(is_true), is_true)
            for n, (phrase, is_true) in enumerate(true, start=1)
        )
        wrong = "; ".join(f"{phrase}: no" for phrase, is_true in true if not is_true)
        return Verdict(None, float(prod(is_true for _, is_true in true)), parts, wrong)


def _shown(phrase: str, scene: Reading) -> bool:
    """Whether a scene has what a noun phrase names, or more of it."""
    number, *colour, noun = phrase.split()
    if noun == "background":
        return colour == [scene.background]
    shape = _SINGULAR.get(noun, noun)
    fitting = [
        one for one in scene.found if one.shape == shape and (not colour or [one.colour] == colour)
    ]
    return len(fitting) >= (1 if number == "a" else NUMBERS.index(number))


def _answer(text: str, scene: Reading) -> str:
    for pattern, answer in _ANSWERS.items():
        if words := re.fullmatch(pattern, text):
            return answer(scene, *words.groups())
    raise ValueError(f"no such question: {text!r}")


def _there(scene: Reading, shape: str) -> str:
    return _yes(any(one.shape == shape for one in scene.found))


def _coloured(scene: Reading, shape: str, colour: str) -> str:
    return _yes(any((one.shape, one.colour) == (shape, colour) for one in scene.found))


def _counted(scene: Reading, shapes: str) -> str:
    number = sum(one.shape == _SINGULAR[shapes] for one in scene.found)
    return NUMBERS[number] if number < len(NUMBERS) else f"{number}"


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
