"""The judge ``shapes``: whether a picture of the embedded world shows what its prompt asks for.

The verdict is :func:`synpic.shapes.judge.strict`, with what is wrong in words; a part holds
:func:`~synpic.shapes.judge.lenient`, GenEval's rule, beside it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import permutations
from typing import Any, ClassVar

from PIL.Image import Image

from synpic.errors import EvaluationError, PromptError
from synpic.readers.display import count
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import RewardInfo
from synpic.shapes.judge import FoundShape, Reading, lenient, read, shows, strict
from synpic.shapes.meaning import RELATIONS, Asked, Meaning, parse

__all__ = ["ShapesJudge", "reason"]


class ShapesJudge(Judge):
    """Reads pictures and prompts by the rules of the world that made them; no weights."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="shapes world: exactly what was asked for, and nothing else (reads pixels)",
        text_limit="none; a prompt that is none of the world's is refused",
        verified="against the rules of the world, on scenes and models' pictures "
        "(tests/shapes/test_judging.py)",
    )
    beside: ClassVar[tuple[str, ...]] = ("lenient",)
    preprocessing: Hashable = "reading of the shapes world"

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse a prompt that is none of the world's.

        Raises:
            EvaluationError: with the prompt.
        """
        try:
            parse(requirement.prompt)
        except PromptError as error:
            raise EvaluationError(
                f"the judge shapes reads prompts of the embedded world alone: {error.message}",
                hint='take prompts of `world = "shapes"`, or another judge',
            ) from error

    def pixels(self, image: Image) -> Reading:
        """What the picture shows."""
        return read(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """The verdicts on n readings."""
        return [self._verdict(*one) for one in zip(requirements, pixels, strict=True)]

    def canary(self) -> Requirement:
        """A red circle, which a plain picture does not show."""
        return Requirement("a red circle")

    @staticmethod
    def _verdict(requirement: Requirement, reading: Reading) -> Verdict:
        try:
            meaning = parse(requirement.prompt)
        except PromptError as error:
            raise ValueError(error.message) from error
        shown, exact = _described(reading), strict(meaning, reading)
        parts = (
            VerdictPart("strict", "all of it and nothing else", shown, None, exact),
            VerdictPart("lenient", "all of it is there", shown, None, lenient(meaning, reading)),
        )
        return Verdict(exact, None, parts, reason(meaning, reading))


def reason(meaning: Meaning, reading: Reading) -> str:
    """What keeps a picture from being right by the strict rule, in words; "" where nothing does."""
    return "; ".join(_faults(meaning, reading))


def _faults(meaning: Meaning, reading: Reading) -> Iterator[str]:
    if reading.background is None:
        wanted = f", expected {meaning.background}" if meaning.background else ""
        yield f"background is of no colour of the world{wanted}"
    elif meaning.background not in (None, reading.background):
        yield f"background is {reading.background}, expected {meaning.background}"
    if len(reading.found) != len(meaning.wanted):
        number = count(len(reading.found), "thing") if reading.found else "nothing is there"
        yield f"{number}, expected {len(meaning.wanted)}"
        return
    things = _best_order(meaning.wanted, reading.found)
    wrong = [
        f"{_name(thing)}, expected {_name(asked)}"
        for asked, thing in zip(meaning.wanted, things, strict=True)
        if not _is(thing, asked)
    ]
    yield from wrong
    if meaning.relation is not None and not wrong and not shows(meaning, reading.found):
        first, second = things
        where = _direction(first, second)
        yield f"{_name(first)} is {where} {_name(second)}, expected {meaning.relation}"


def _best_order(wanted: Sequence[Asked], found: Sequence[FoundShape]) -> Sequence[FoundShape]:
    """``found`` in the order in which most of it is what is wanted."""

    def likeness(order: Sequence[FoundShape]) -> tuple[int, int]:
        pairs = list(zip(order, wanted, strict=True))
        right = sum(_is(thing, asked) for thing, asked in pairs)
        return right, sum(
            2 * (thing.shape == asked.shape) + (thing.colour == asked.colour)
            for thing, asked in pairs
        )

    return max(permutations(found), key=likeness)


def _is(thing: FoundShape, asked: Asked) -> bool:
    """Whether a thing of the world is what is asked for."""
    if thing.shape is None or thing.colour is None:
        return False
    return thing.shape == asked.shape and asked.colour in (None, thing.colour)


def _direction(first: FoundShape, second: FoundShape) -> str:
    """Where the first stands, of the four ways the one that fits best."""
    across, down = second.x - first.x, second.y - first.y
    return max(RELATIONS, key=lambda one: across * RELATIONS[one][0] + down * RELATIONS[one][1])


def _described(reading: Reading) -> str:
    things = ", ".join(map(_name, reading.found)) or "nothing"
    return f"{things} on {reading.background or 'a background of no colour of the world'}"


def _name(thing: FoundShape | Asked) -> str:
    """ "a red circle"; of an unknown shape "a red thing of no known shape"."""
    noun = thing.shape or "thing of no known shape"
    if isinstance(thing, FoundShape) and thing.colour is None:
        return f"{_article(noun)} {noun} of no known colour"
    words = f"{thing.colour} {noun}" if thing.colour else noun
    return f"{_article(words)} {words}"


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"
