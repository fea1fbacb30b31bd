"""Judges small enough to test loops with."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL.Image import Image

from synpic.errors import EvaluationError
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import RewardInfo


def level(image: Image) -> float:
    return float(np.asarray(image)[..., 0].mean() / 255)


def reddish(asked: Requirement, image: Image) -> bool:
    """Right on about half of noise; never on grey."""
    return level(image) > 0.5 and float(np.asarray(image).std()) > 1


def yes(asked: Requirement, image: Image) -> bool:
    return True


def no(asked: Requirement, image: Image) -> np.bool_:
    return np.bool_(False)


def noisy(asked: Requirement, image: Image) -> bool:
    """Right on all noise, and not on grey."""
    return float(np.asarray(image).std()) > 1


def fussy(asked: Requirement, image: Image, hates: str = "prompt 0-3") -> bool:
    if asked.prompt == hates:
        raise ValueError("I will not look at this")
    return reddish(asked, image)


def slow(asked: Requirement, image: Image) -> bool:
    time.sleep(0.008)
    return reddish(asked, image)


GIVEN: dict[str, Any] = {
    "text": "yes",
    "neither": Verdict(None, None, (), ""),
    "above": Verdict(None, 1.5, (), ""),
    "nan": Verdict(None, float("nan"), (), ""),
    "no_reason": Verdict(False, None, (), " "),
    "half": Verdict(None, 0.5, (), "half of it"),
    "none": Verdict(None, 0.0, (), "none of it"),
    "part": Verdict(True, None, (VerdictPart("a", "b", "c", -1.0, True),), ""),
    "words": Verdict("yes", None, (), ""),  # type: ignore[arg-type]
}


def gives(asked: Requirement, image: Image, what: str, on: str = "prompt") -> Any:
    """Something for prompts that begin with ``on``; a proper verdict for the others."""
    return GIVEN[what] if asked.prompt.startswith(on) else reddish(asked, image)


def draws_on(asked: Requirement, image: Image) -> bool:
    right = reddish(asked, image)
    image.paste((0, 0, 0), (0, 0, *image.size))
    return right


class Batched(Judge):
    """Right where it is redder than ``above``; says what was asked, and in which batch."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="a judge of batches", version=3)
    preprocessing: Hashable = "level"
    closed: ClassVar[int] = 0
    seen_ahead: ClassVar[list[int]] = []

    def __init__(self, *, above: float = 0.503) -> None:
        self._above = above

    @staticmethod
    def check(requirement: Requirement) -> None:
        if "impossible" in requirement.spec:
            raise EvaluationError("nothing can judge this", hint="take it out")

    def pixels(self, image: Image) -> float:
        return level(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        return [
            Verdict(
                right := bool(found > self._above),
                min(1.0, max(0.0, found)),
                (VerdictPart("red", f"{asked.tag}?", str(dict(asked.spec)), found, right),),
                "" if right else f"not red enough: {found:.3f}",
            )
            for asked, found in zip(requirements, pixels, strict=True)
        ]

    def canary(self) -> Requirement | None:
        # Grey has 0.50196.
        return Requirement("something red", "canary")

    def ahead(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> None:
        type(self).seen_ahead.append(len(requirements))

    def close(self) -> None:
        type(self).closed += 1


class Affirms(Batched):
    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        return [Verdict(True, None, (), "")] * len(requirements)


class Graded(Batched):
    """One score for everything, but for a canary."""

    def __init__(self, *, score: float = 0.5, parts: int = 0) -> None:
        self._score, self._parts = score, parts

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        part = VerdictPart("a", "b", "c", None, True)
        return [
            Verdict(None, 0.0 if one.tag == "canary" else self._score, (part,) * self._parts, "")
            for one in requirements
        ]


class AllRight(Batched):
    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        return [Verdict(one.tag != "canary", None, (), "not this") for one in requirements]


class NeedsQuestions(Batched):
    @staticmethod
    def check(requirement: Requirement) -> None:
        if "questions" not in requirement.spec:
            raise EvaluationError("it has no questions", hint="give it some")


class TooFew(Batched):
    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        found = super().judge(requirements, pixels)
        return found[:-1] if len(found) > 1 else found


class CannotSeeGrey(Batched):
    def pixels(self, image: Image) -> float:
        if image.size == (256, 256):
            raise ValueError("no grey")
        return super().pixels(image)
