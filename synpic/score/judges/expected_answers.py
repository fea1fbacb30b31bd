"""What a model answers to a question about an image, against the answer that is expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from synpic.score.vlm.questions import VlmAnswer

__all__ = ["MEASURES", "ExpectedAnswer", "Measure", "QuestionReply", "expected_answer"]

Measure = Literal["yes-or-no", "probability"]

MEASURES: tuple[Measure, ...] = ("yes-or-no", "probability")
"""P(yes) / (P(yes) + P(no)); or P of the expected answer among all tokens."""

_TO_TEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TEENS = ("thir", "four", "fif", "six", "seven", "eigh", "nine")
_NUMBERS = (*_TO_TEN, "eleven", "twelve", *(f"{one}teen" for one in _TEENS), "twenty")

_PIECES = 0.01
"""Probability of beginnings of an answer from which its own cannot be known."""


@dataclass(frozen=True)
class QuestionReply:
    """What a model answers to one question.

    Args:
        answer: "yes" or "no" where one of them is expected, else the likeliest word, in small
            letters; numbers up to twenty as words.
        text: the likeliest token, as the model writes it.
        probability: of the expected answer, 0 … 1.
        right: whether ``answer`` is the expected one.
    """

    answer: str
    text: str
    probability: float
    right: bool


@dataclass(frozen=True)
class ExpectedAnswer:
    """The right answer to a question.

    Args:
        name: in small letters; numbers up to twenty as words.
        spellings: the ways to write it, at least one; their probabilities add up.
        against: those of the opposite of yes or no; none of other answers.
    """

    name: str
    spellings: tuple[str, ...]
    against: tuple[str, ...] = ()

    def reply(
        self, likeliest: VlmAnswer, this: float, other: float | None, measure: Measure
    ) -> QuestionReply:
        """What an answer means.

        Args:
            likeliest: the likeliest first tokens.
            this: ln P of the expected answer.
            other: ln P of its opposite; None where there is none.
        """
        text = likeliest.likeliest_at(0)
        if other is None:
            answer = _likeliest_name(likeliest)
            return QuestionReply(answer, text, math.exp(min(this, 0.0)), answer == self.name)
        right = this > other
        opposite = "no" if self.name == "yes" else "yes"
        probability = math.exp(min(this, 0.0))
        if measure == "yes-or-no":
            probability = _share(this, other)
        return QuestionReply(self.name if right else opposite, text, probability, right)

    def read(self, answer: VlmAnswer, measure: Measure) -> QuestionReply:
        """What an answer means of which the likeliest tokens alone are known.

        For an answer that is not among them, the least likely of these stands in, which bounds its
        probability.

        Raises:
            ValueError: neither yes nor no is among them where one of both is expected, or no number
                where one is; or they hold the beginning of an answer that is not one token of this
                model.
        """
        if self.against:
            return self.reply(answer, *answer.either(self.spellings, self.against), measure)
        if not answer.places or not answer.places[0]:
            raise ValueError("the answer is empty")
        this = answer.log_probability(self.spellings)
        if this is None:
            pieces = sum(
                math.exp(value)
                for text, value in answer.places[0].items()
                if text.strip() and any(one.startswith(text) for one in self.spellings)
            )
            if pieces > _PIECES:
                raise ValueError(
                    f"the answer {self.name!r} is several tokens of this model, and no probability "
                    f"of it is known: the likeliest tokens begin with {answer.likeliest()}"
                )
            if _is_number(self.name) and not any(
                _is_number(_name(one)) for one in answer.places[0]
            ):
                raise ValueError(
                    "no number is among the likeliest tokens, which begin with "
                    f"{answer.likeliest()}"
                )
            this = answer.bound()
        return self.reply(answer, this, None, measure)


def expected_answer(answer: str, yes: Sequence[str], no: Sequence[str]) -> ExpectedAnswer:
    """How a model may write ``answer``.

    A number is written as a word, with a capital or without, or in digits; each with a space before
    it or without, as GenEval 2 counts them.

    Args:
        answer: yes, no, a number or another word, in any case of letters.
        yes, no: the spellings of these two.
    """
    name = _name(answer)
    if name == "yes":
        return ExpectedAnswer(name, tuple(yes), tuple(no))
    if name == "no":
        return ExpectedAnswer(name, tuple(no), tuple(yes))
    written = [name, name.capitalize(), answer.strip()]
    if name in _NUMBERS:
        written = [name, name.capitalize(), str(_NUMBERS.index(name))]
    spellings = dict.fromkeys(text for one in written for text in (one, f" {one}"))
    return ExpectedAnswer(name, tuple(spellings))


def _name(text: str) -> str:
    """``text`` as answers are compared."""
    folded = text.strip().casefold()
    if folded.isascii() and folded.isdecimal() and int(folded) < len(_NUMBERS):
        return _NUMBERS[int(folded)]
    return folded


def _is_number(name: str) -> bool:
    return name in _NUMBERS or name.isdecimal()


def _likeliest_name(answer: VlmAnswer) -> str:
    """The answer that all its ways of writing together make the likeliest."""
    sums: dict[str, float] = {}
    for text, value in answer.places[0].items():
        if name := _name(text):
            sums[name] = sums.get(name, 0.0) + math.exp(value)
    return max(sums, key=sums.__getitem__, default="")


def _share(this: float, other: float) -> float:
    """P / (P + Q), from their logarithms."""
    if this < other:
        odds = math.exp(this - other)
        return odds / (1 + odds)
    return 1 / (1 + math.exp(other - this))
