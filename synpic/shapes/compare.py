"""The comparer ``shapes_compare``: which of two pictures shows the prompt better, and more cleanly.

It adds up what ``shapes_alignment`` and ``shapes_quality`` say of each, and makes a probability of
the difference as Bradley and Terry do. Both orders get the same answer, unless ``lean`` makes it
prefer a place, as large models do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.reward import RewardInfo
from synpic.shapes.alignment import Alignment
from synpic.shapes.quality import Quality

__all__ = ["ShapesCompare"]

_SHARPNESS = 4.0
"""Logits for a difference of 1 in the sum of both rewards, which lies in −1 … 2."""


class ShapesCompare:
    """P(first is better) = 1 / (1 + exp(−4·(Σ first − Σ second) − lean)).

    Args:
        lean: logits in favour of the image that comes first; below 0, of the second.

    Raises:
        RewardError: ``lean`` is no finite number.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="shapes world: the picture with more alignment and quality (reads pixels)",
        score_range="0 … 1",
        text_limit="none; of a prompt that is none of the world's, quality alone decides",
        verified="against both rewards, in both orders (tests/shapes/test_compare.py)",
    )

    def __init__(self, *, lean: float = 0.0) -> None:
        if type(lean) not in (int, float) or not math.isfinite(lean):
            raise RewardError(
                f"shapes_compare: lean is {lean!r}, expected a finite number",
                hint="0 favours neither place, 2 makes the first of two equal images win at 0.88",
            )
        self._lean = lean
        self._rewards = (Alignment(), Quality())

    def compare(
        self, prompts: Sequence[str], first: Sequence[Image], second: Sequence[Image]
    ) -> list[float]:
        """Probabilities in 0 … 1, each of one prompt and two images alone."""
        ahead = zip(self._sums(prompts, first), self._sums(prompts, second), strict=True)
        return [_logistic(_SHARPNESS * (one - other) + self._lean) for one, other in ahead]

    def _sums(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        each = (reward.score(prompts, images) for reward in self._rewards)
        return [sum(scores) for scores in zip(*each, strict=True)]


def _logistic(logit: float) -> float:
    """Without overflow: of −1000 it is 0."""
    return (1 + math.tanh(logit / 2)) / 2
