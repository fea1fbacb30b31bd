"""Ratings of several axes in one answer, and what is expected of each."""

from __future__ import annotations

import math
import string
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from synpic.errors import RewardError, did_you_mean
from synpic.score.vlm.questions import VlmAnswer

__all__ = ["ANSWER", "MEAN", "RUBRIC", "Rating", "rating_template"]

RUBRIC = """\
This image was made from the description below. Rate it from 1 (worst) to 5 (best) on three axes:
- Alignment: the image shows what the description asks for, all of it and nothing against it.
- Coherence: things are whole and plausible, without distorted shapes, extra parts or stray text.
- Style: composition, light and colour are pleasant, whatever the description asks for.
Answer with these three lines and nothing else, a whole number in the place of each N:
Alignment: N
Coherence: N
Style: N

Description: {}"""
"""What is asked if a recipe does not say; ``{}`` stands for the prompt."""

ANSWER = "Alignment: {alignment}\nCoherence: {coherence}\nStyle: {style}"
"""What a model answers to it, with a place for each axis."""

MEAN = "mean"
"""The score is the mean of all axes."""

_FREE = 96
"""Tokens of an answer with words in it: three ratings with many decimals have about 80."""


@dataclass(frozen=True)
class _Place:
    """A rating in an answer: the number that follows ``label``, after spaces at most."""

    label: str
    axis: str


@dataclass(frozen=True)
class Rating:
    """How ratings are read from an answer.

    Args:
        places: in the order of the answer.
        axis: the one that is the score, or :data:`MEAN`.
        digits: the ratings that there are, as a model writes them.
        tokens: how many an answer has, at most.
    """

    places: Sequence[_Place]
    axis: str
    digits: Sequence[str]
    tokens: int

    def score(self, answer: VlmAnswer) -> float:
        """The expected rating of the axis, or the mean of all of them.

        Raises:
            ValueError: a rating is missing: no answer to this image.
        """
        found = self.expected(answer)
        return found[self.axis] if self.axis != MEAN else sum(found.values()) / len(found)

    def expected(self, answer: VlmAnswer) -> dict[str, float]:
        """Axis → Σ d·P(d) / Σ P(d) over the ratings d, at the place of its number.

        P is that of the first digit. Where a model writes decimals, it is the expectation of the
        whole number before the point.

        Raises:
            ValueError: a label is missing, or no rating is among the likeliest tokens after it.
        """
        # Spaces say nothing: some tokenizers keep them apart from words, and some lose them.
        tokens = [_folded(answer.likeliest_at(n)) for n in range(len(answer.places))]
        ends = [0, *accumulate(map(len, tokens))]
        text = "".join(tokens)
        found, since = {}, 0
        for place in self.places:
            at = text.find(place.label, since)
            if at < 0:
                raise ValueError(
                    f"the answer has no {place.label!r}: it begins with {answer.beginning()!r}"
                )
            since = at + len(place.label)
            number = bisect_right(ends, since) - 1
            if number == len(tokens):
                raise ValueError(f"the answer ends before the rating of {place.axis}")
            found[place.axis] = self._expected(place.axis, answer, number)
            since = ends[number + 1]
        return found

    def _expected(self, axis: str, answer: VlmAnswer, number: int) -> float:
        chances = dict.fromkeys(self.digits, 0.0)
        for token, value in answer.places[number].items():
            if token.strip() in chances:
                chances[token.strip()] += math.exp(value)
        whole = sum(chances.values())
        if not whole:
            raise ValueError(
                f"no rating of {axis} is among the likeliest tokens, which begin with "
                f"{answer.likeliest(number)}"
            )
        return sum(int(digit) * chance for digit, chance in chances.items()) / whole


def rating_template(
    reward: str, answer: str, axis: str, scale: Sequence[int], tokens: int | None
) -> Rating:
    """How the answers to a rubric are read.

    Args:
        reward: for messages.
        answer: what a model is to answer, with ``{name}`` in the place of each axis's rating.
        axis: the name of one of them, or :data:`MEAN`.
        scale: the least and the greatest rating, each a digit.
        tokens: how many an answer may have; as many as it may need if None.

    Raises:
        RewardError: one of them is out of its range.
    """
    places = _places(reward, answer)
    axes = [place.axis for place in places]
    if axis != MEAN and axis not in axes:
        raise RewardError(
            f"{reward}: axis is {axis!r}, which has no place in the answer."
            f"{did_you_mean(axis, axes) if isinstance(axis, str) else ''}",
            hint=f"there are: {MEAN}, {', '.join(axes)}",
        )
    digits = _digits(reward, scale)
    if tokens is not None and (type(tokens) is not int or not 1 <= tokens <= 4096):
        raise RewardError(
            f"{reward}: max_tokens is {tokens!r}, expected 1 … 4096",
            hint="leave it out, and it follows from the answer",
        )
    bare = len(places) == 1 and not places[0].label
    return Rating(places, axis, digits, tokens or (1 if bare else _FREE))


def _places(reward: str, answer: str) -> list[_Place]:
    hint = 'answer = "Alignment: {alignment}\\nStyle: {style}" has two places'
    if not isinstance(answer, str):
        raise RewardError(f"{reward}: answer is {answer!r}, expected a text", hint=hint)
    try:
        pieces = list(string.Formatter().parse(answer))
    except ValueError as error:
        raise RewardError(
            f"{reward}: answer {answer!r} cannot be read: {error}", hint=hint
        ) from error
    found = [_Place(_folded(label), axis) for label, axis, _, _ in pieces if axis is not None]
    axes = [place.axis for place in found]
    if not found:
        raise RewardError(f"{reward}: answer {answer!r} has no place for a rating", hint=hint)
    for axis in axes:
        if not axis.isidentifier() or axis == MEAN or axes.count(axis) > 1:
            raise RewardError(
                f"{reward}: answer has a place {axis!r}; each has a name of its own, of letters, "
                f"digits and _, and none is called {MEAN!r}",
                hint=hint,
            )
    return found


def _folded(text: str) -> str:
    """``text`` without spaces, in one case of letters."""
    return "".join(text.split()).casefold()


def _digits(reward: str, scale: Sequence[int]) -> list[str]:
    whole = isinstance(scale, list | tuple) and len(scale) == 2
    if not whole or any(type(one) is not int for one in scale) or not 0 <= scale[0] < scale[1] <= 9:
        raise RewardError(
            f"{reward}: scale is {scale!r}, expected the least and the greatest rating, of one "
            "digit each",
            hint="scale = [1, 5]",
        )
    return [str(digit) for digit in range(scale[0], scale[1] + 1)]
