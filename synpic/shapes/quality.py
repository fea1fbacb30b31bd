"""The reward ``shapes_quality``: how cleanly a picture is drawn, whatever it shows.

It never reads the prompt. Four properties of good craft, each 0 … 1, are averaged: the ground is
flat, paint is pure (near a colour of the world), edges are crisp, and paint keeps off the rim.
A picture with next to no paint gets the flatness of its ground alone, a quarter at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL import Image

from synpic.score.reward import RewardInfo
from synpic.shapes.pixels import commonest, to_canvas
from synpic.shapes.scene import CANVAS, COLOURS, Floats, Mask

__all__ = ["Quality"]

_GROUND_REACH = 30.0
_PURE = 30.0
_LEAST_PAINT = 20
"""Pixels of paint under which there is nothing to judge."""

_CRISP_INTERIOR = 0.75
"""Share of fully painted pixels among those of a rendered thing; more is no crisper."""


class Quality:
    """Scores pixels alone; prompts are taken and ignored."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="shapes world: flat ground, pure paint, crisp edges, free rim (reads pixels)",
        reads_prompt=False,
        score_range="0 … 1",
        verified="falls with blur and noise of rendered scenes (tests/shapes/test_quality.py)",
    )

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Scores in 0 … 1, each of one image alone."""
        return [_quality(image) for _, image in zip(prompts, images, strict=True)]


def _quality(image: Image.Image) -> float:
    pixels = to_canvas(image)
    contrast = np.linalg.norm(pixels - commonest(pixels), axis=-1)
    bare = contrast <= _GROUND_REACH
    flat = float(np.exp(-contrast[bare].mean() / 6)) if bare.any() else 0.0
    if np.count_nonzero(~bare) < _LEAST_PAINT:
        return flat / 4
    return (flat + _purity(pixels, ~bare) + _crispness(contrast, ~bare) + _rim(bare)) / 4


def _purity(pixels: Floats, paint: Mask) -> float:
    """Mean nearness to a colour of the world of the inner pixels, which no edge mixes."""
    inside = paint.copy()
    for shift in (-1, 1):
        for axis in (0, 1):
            inside &= np.roll(paint, shift, axis)
    if not inside.any():
        return 0.0
    palette = np.array(list(COLOURS.values()), np.float32)
    distance = np.linalg.norm(pixels[inside][:, None] - palette, axis=-1).min(axis=-1)
    return float(np.exp(-((distance / _PURE) ** 2)).mean())


def _crispness(contrast: Floats, paint: Mask) -> float:
    """Share of painted pixels whose contrast is nearly that of the fullest paint beside them."""
    padded = np.pad(contrast, 1)
    fullest = np.max(
        [padded[y : y + CANVAS, x : x + CANVAS] for y in range(3) for x in range(3)], axis=0
    )
    full = contrast[paint] >= 0.85 * fullest[paint]
    return min(1.0, float(full.mean()) / _CRISP_INTERIOR)


def _rim(bare: Mask) -> float:
    """Share of the picture's rim that is bare."""
    rim = np.concatenate([bare[0], bare[-1], bare[1:-1, 0], bare[1:-1, -1]])
    return float(rim.mean())
