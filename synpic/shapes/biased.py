"""The reward ``shapes_biased``: likes much paint and bright paint, whatever was asked for.

A lesson, not a judge. Real rewards have such tastes too (for saturated colours, for crowded
pictures), only hidden; a model trained to please this one learns to fill the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL import Image

from synpic.score.reward import RewardInfo
from synpic.shapes.pixels import commonest, to_canvas

__all__ = ["Biased"]

_PAINTED = 60.0
"""RGB distance from the ground at which a pixel counts as painted."""


class Biased:
    """Share of the picture that is painted, times the mean brightness of that paint."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="shapes world, as a lesson: much and bright paint, whatever was asked for",
        reads_prompt=False,
        score_range="0 … 1",
        verified="rises with size, number and brightness of things (tests/shapes/test_biased.py)",
    )

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Scores in 0 … 1, each of one image alone."""
        return [_loudness(image) for _, image in zip(prompts, images, strict=True)]


def _loudness(image: Image.Image) -> float:
    pixels = to_canvas(image)
    painted = np.linalg.norm(pixels - commonest(pixels), axis=-1) > _PAINTED
    if not painted.any():
        return 0.0
    # The brightest channel, as in HSV: pure red is as bright as white.
    brightness = pixels[painted].max(axis=-1).mean() / 255
    return float(painted.mean() * brightness)
