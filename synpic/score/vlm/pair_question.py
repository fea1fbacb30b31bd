"""A question about two images: where in it they stand, and how an answer is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from synpic.errors import RewardError
from synpic.score.templates import check_template
from synpic.score.vlm.answers import check_spellings
from synpic.score.vlm.fitting import check_pixels

__all__ = ["FIRST", "IMAGES", "QUESTION", "SECOND", "WHY", "PairQuestion"]

QUESTION = (
    'Two images were made for this prompt: "{}"\n'
    "First image: {first}\nSecond image: {second}\n"
    "Which of the two is better: does it show what the prompt asks for, and is it well made? "
    "Answer with one word: First or Second."
)
"""``{}`` stands for the prompt, ``{first}`` and ``{second}`` for the images."""

FIRST = ("First", " First", "first", " first")
SECOND = ("Second", " Second", "second", " second")

WHY = "an answer counts for one of the images"

IMAGES = ("{first}", "{second}")

_PLACE = re.compile(r"(?<!\{)(\{first\}|\{second\})(?!\})")


@dataclass(frozen=True)
class PairQuestion:
    """What is asked about a prompt and two images.

    Args:
        parts: texts, in which ``{}`` stands for the prompt, and ``IMAGES``, each once, the first
            one before the second.
    """

    parts: tuple[str, ...]

    @classmethod
    def of(
        cls,
        comparer: str,
        question: str,
        first: Sequence[str],
        second: Sequence[str],
        max_pixels: int,
    ) -> PairQuestion:
        """The question that options ask; images that it does not place stand before it.

        Args:
            comparer: its name, for messages.
            first, second: spellings of either answer.

        Raises:
            RewardError: naming the option that is out of its range.
        """
        check_pixels(comparer, max_pixels)
        check_spellings(comparer, WHY, first=first, second=second)
        texts = question if not isinstance(question, str) else _PLACE.sub("", question)
        check_template(comparer, "question", texts, of_prompt=True)
        parts = [part for part in _PLACE.split(question) if part]
        places = [part for part in parts if part in IMAGES]
        if not places:
            return cls((*IMAGES, *parts))
        if places != [*IMAGES]:
            raise RewardError(
                f"{comparer}: question places {' and '.join(places)}, expected {{first}} and then "
                "{second}, each once",
                hint="or leave both out: then the images stand before the question",
            )
        return cls(tuple(parts))

    def filled(self, prompt: str) -> list[str]:
        """The parts, with the prompt in its place; images as in ``IMAGES``."""
        return [part if part in IMAGES else part.format(prompt) for part in self.parts]
