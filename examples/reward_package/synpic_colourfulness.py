"""How colourful an image is, after Hasler & Süsstrunk, *Measuring colourfulness…* (2003).

Their M⁽³⁾ of opponent colours rg = R − G and yb = ½(R + G) − B, in 8-bit sRGB values:
√(σ²rg + σ²yb) + 0.3 · √(μ²rg + μ²yb).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL.Image import Image

from synpic.score.reward import RewardInfo

__all__ = ["Colourfulness"]


class Colourfulness:
    """Their measure as a reward. A class gets batches; this one takes its images one by one."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="colourfulness after Hasler & Süsstrunk; reads no prompt",
        version=1,  # raise it whenever the numbers change, and everything is scored anew
        reads_prompt=False,
        score_range="0 (grey) and more",
        verified="by hand (tests/test_reward_package.py)",
    )

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """A number for each image; images are 8-bit RGB."""
        return [_colourfulness(np.asarray(image, np.float64)) for image in images]


def _colourfulness(image: np.ndarray) -> float:
    red, green, blue = np.moveaxis(image, -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1)
    spread, mean = opponents.std(axis=1), opponents.mean(axis=1)
    return float(np.hypot(*spread) + 0.3 * np.hypot(*mean))
