"""The reward ``shapes_alignment``: how well a picture shows what its prompt asked for.

It reads pixels in its own, imperfect way, which is not the judge's: the picture is cut into boxes
along empty rows and columns (the recursive X-Y cut of Nagy & Seth, 1984), and a box has soft
beliefs in shapes and colours from a few measurements. Two things that no straight line parts are
read as one; blurred edges shift beliefs. What it says is graded: half right is worth half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from synpic.errors import PromptError
from synpic.score.reward import RewardInfo
from synpic.shapes.meaning import RELATIONS, Asked, Meaning, parse
from synpic.shapes.pixels import commonest, to_canvas
from synpic.shapes.scene import BACKGROUNDS, COLOURS, SHAPES, Floats, Mask, coverage

__all__ = ["Alignment"]

NOT_UNDERSTOOD = 0.0
"""The score of every image of a prompt that is none of the world's."""

_EXTRA = 0.5
"""Taken off for every thing that was not asked for. Softer, and filling the picture pays."""

_MARK = 60.0
"""RGB distance from the ground at which a pixel is painted."""

_COLOUR_SPREAD = 45.0
_SHAPE_SPREAD = 0.10
_BACKGROUND_SPREAD = 40.0


@dataclass(frozen=True, slots=True)
class _Box:
    """A painted box: its centre in pixels, and beliefs (0 … 1) in each shape and colour."""

    x: float
    y: float
    shapes: dict[str, float]
    colours: dict[str, float]

    def fits(self, asked: Asked) -> float:
        """0 … 1: how far this may be the thing asked for."""
        colour = 1.0 if asked.colour is None else self.colours[asked.colour]
        return self.shapes[asked.shape] * colour


class Alignment:
    """Scores prompts of the shapes world; every other prompt gets ``NOT_UNDERSTOOD`` (0)."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="shapes world: what was asked for is there, and no more (reads pixels)",
        score_range="-1 … 1",
        text_limit="none; a prompt that is none of the world's scores 0",
        verified="prefers the right one of two rendered scenes (tests/shapes/test_alignment.py)",
    )

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Scores in -1 … 1, each of one prompt and one image alone."""
        return [_score(prompt, image) for prompt, image in zip(prompts, images, strict=True)]


def _score(prompt: str, image: Image.Image) -> float:
    try:
        meaning = parse(prompt)
    except PromptError:
        return NOT_UNDERSTOOD
    pixels = to_canvas(image)
    ground = commonest(pixels)
    painted = np.linalg.norm(pixels - ground, axis=-1) > _MARK
    boxes = [_believe(pixels, painted, box) for box in _cut(painted, 0, 0)]
    extras = max(0, len(boxes) - len(meaning.wanted))
    return max(-1.0, _matched(meaning, boxes) * _on(meaning, ground) - _EXTRA * extras)


def _cut(painted: Mask, top: int, left: int) -> list[tuple[slice, slice]]:
    """Boxes of painted pixels that no empty row or column parts further; specks are left out."""
    row_runs, column_runs = _runs(painted.any(axis=1)), _runs(painted.any(axis=0))
    if len(row_runs) == 1 and len(column_runs) == 1:
        (y0, y1), (x0, x1) = row_runs[0], column_runs[0]
        if (y1 - y0) * (x1 - x0) < 12:
            return []
        return [(slice(top + y0, top + y1), slice(left + x0, left + x1))]
    return [
        box
        for y0, y1 in row_runs
        for x0, x1 in column_runs
        for box in _cut(painted[y0:y1, x0:x1], top + y0, left + x0)
    ]


def _runs(marks: Any) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _believe(pixels: Floats, painted: Mask, box: tuple[slice, slice]) -> _Box:
    mask = painted[box]
    paint = np.median(pixels[box][mask], axis=0)
    distance = {c: float(np.linalg.norm(paint - np.array(rgb))) for c, rgb in COLOURS.items()}
    colours = {c: float(np.exp(-((d / _COLOUR_SPREAD) ** 2))) for c, d in distance.items()}
    traits = _traits(mask)
    apart = {s: float(np.abs(traits - ideal).mean()) for s, ideal in _ideals().items()}
    closeness = {s: float(np.exp(-((a / _SHAPE_SPREAD) ** 2))) for s, a in apart.items()}
    total = sum(closeness.values()) + 0.05
    shapes = {s: c / total for s, c in closeness.items()}
    y, x = box
    return _Box((x.start + x.stop) / 2, (y.start + y.stop) / 2, shapes, colours)


def _traits(mask: Mask) -> Floats:
    """``float32[9]``: how full each ninth of the box is, the box brought to 12 x 12 first."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    even = np.asarray(picture.resize((12, 12), Image.Resampling.BOX), np.float32) / 255
    ninths: Floats = even.reshape(3, 4, 3, 4).mean(axis=(1, 3)).reshape(-1)
    return ninths


@lru_cache(maxsize=1)
def _ideals() -> dict[str, Floats]:
    ideals = {}
    for shape in SHAPES:
        mask = coverage(shape, 12) > 0.3
        (y0, y1), (x0, x1) = _runs(mask.any(axis=1))[0], _runs(mask.any(axis=0))[0]
        ideals[shape] = _traits(mask[y0:y1, x0:x1])
    return ideals


def _matched(meaning: Meaning, boxes: list[_Box]) -> float:
    """0 … 1: mean belief over the things asked for, in the best order, times the relation's."""
    wanted = meaning.wanted
    # With more boxes than things any of them may be meant; what is missing matches nothing.
    best = 0.0
    for chosen in permutations(boxes[:6], min(len(wanted), len(boxes))):
        beliefs = [box.fits(asked) for box, asked in zip(chosen, wanted, strict=False)]
        value = sum(beliefs) / len(wanted)
        if meaning.relation is not None and len(chosen) == 2:
            value *= _stands(meaning.relation, *chosen)
        elif meaning.relation is not None:
            value *= 0.5
        best = max(best, value)
    return best


def _stands(relation: str, first: _Box, second: _Box) -> float:
    """0.25 … 1: how much the first thing stands in the relation to the second."""
    dx, dy = RELATIONS[relation]
    across, down = second.x - first.x, second.y - first.y
    cosine = (across * dx + down * dy) / max(float(np.hypot(across, down)), 1e-6)
    return 0.25 + 0.75 / (1 + float(np.exp(-8 * (cosine - 0.5))))


def _on(meaning: Meaning, ground: Floats) -> float:
    """0.5 … 1: whether the ground is the background asked for, or else any of the world's."""
    names = [meaning.background] if meaning.background else list(BACKGROUNDS)
    distance = min(float(np.linalg.norm(ground - np.array(BACKGROUNDS[name]))) for name in names)
    return 0.5 + 0.5 * float(np.exp(-((distance / _BACKGROUND_SPREAD) ** 2)))
