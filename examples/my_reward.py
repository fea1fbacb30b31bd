"""Two rewards of one's own: a function, and a class. ``my_reward.toml`` is a recipe with both.

    mkdir my-rewards
    cp examples/my_reward.py my-rewards/
    cp examples/my_reward.toml my-rewards/recipe.toml
    cd my-rewards
    synpic validate
    synpic generate
    synpic score
    synpic rank

docs/rewards/own.md says what a reward may rely on, and what is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL.Image import Image

from synpic.score.reward import RewardInfo

__all__ = ["Restraint", "sharpness"]


def sharpness(prompt: str, image: Image, axis: int = 1) -> float:
    """How much neighbouring pixels differ along ``axis``, 0 … 255. Looks at pixels alone."""
    grey = np.asarray(image.convert("L"), np.float64)
    return float(np.abs(np.diff(grey, axis=axis)).mean())


class Restraint:
    """Minus the entropy of an image's colours, in bits for each word of its prompt.

    Args:
        levels: into how many steps each channel is cut before colours are counted.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="few colours, measured against the length of the prompt",
        score_range="at most 0",
    )

    def __init__(self, levels: int = 8) -> None:
        self._levels = levels

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """Scores, each of one prompt and one image alone."""
        return [self._score(p, image) for p, image in zip(prompts, images, strict=True)]

    def _score(self, prompt: str, image: Image) -> float:
        pixels = np.asarray(image, np.int64).reshape(-1, 3) * self._levels // 256
        counts = np.unique(pixels, axis=0, return_counts=True)[1]
        shares = counts / counts.sum()
        bits = float((shares * np.log2(1 / shares)).sum())
        return -bits / len(prompt.split())
