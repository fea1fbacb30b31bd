"""The judge: what a picture shows, read from its pixels, and whether that is what was asked for.

The background is the colour of the rim; what differs from it falls into connected components;
each component has the nearest colour of the world and the shape whose template fits it best. The
judge is a measure: it labels nothing that trains, and no reward uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from synpic.readers.images import as_rgb
from synpic.shapes.meaning import RELATIONS, Asked, Meaning, parse
from synpic.shapes.scene import BACKGROUNDS, CANVAS, COLOURS, SHAPES, Floats, Mask, coverage

__all__ = ["FoundShape", "Reading", "label", "lenient", "read", "shows", "strict"]

_DIFFERS = 45.0
"""RGB distance from the background at which a pixel belongs to a thing."""

_EDGE = 0.35
"""Share of the strongest contrast within three pixels that a pixel of a thing has at least."""

_SPECK = 8
"""Components of fewer pixels are dirt, not things."""

_COLOUR_REACH = 80.0
"""RGB distance within which a colour is recognised."""

_MISFIT = 0.18
"""Greatest misfit of a template (0: the same, 1: nothing in common) at which it is recognised."""

_WINDOW = 18


@dataclass(frozen=True, slots=True)
class FoundShape:
    """A thing in the picture; ``shape`` or ``colour`` is ``None`` where it is none of the world's.

    ``x`` and ``y`` are the centre of mass in pixels from the top left. ``purity`` is how near the
    paint is to that colour: 1 the same, 0 as far off as a colour is recognised, or further.
    """

    shape: str | None
    colour: str | None
    x: float
    y: float
    purity: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture shows; ``background`` is ``None`` where it is none of the world's."""

    background: str | None
    found: tuple[FoundShape, ...]

    @property
    def blank(self) -> bool:
        """Whether the picture shows no thing at all."""
        return not self.found


def read(image: Image.Image) -> Reading:
    """Read a picture of any size; it is brought to 32 x 32 first."""
    image = as_rgb(image)
    if image.size != (CANVAS, CANVAS):
        image = image.resize((CANVAS, CANVAS), Image.Resampling.BOX)
    pixels = np.asarray(image, np.float32)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    ground = np.median(rim, axis=0).astype(np.float32)
    contrast = np.linalg.norm(pixels - ground, axis=-1)
    # Beside strong paint faint colour is its edge, or bled from it (JPEG), and bridges no gap.
    around = sliding_window_view(np.pad(contrast, 3), (7, 7)).max(axis=(-2, -1))
    components = label(contrast > np.maximum(_DIFFERS, _EDGE * around))
    found = [
        _examine(pixels, ground, components == i)
        for i in range(1, int(components.max()) + 1)
        if np.count_nonzero(components == i) >= _SPECK
    ]
    return Reading(_nearest(ground, BACKGROUNDS)[0], tuple(found))


def label(mask: Mask) -> NDArray[np.int32]:
    """Number the 4-connected components of ``mask`` from 1; 0 is what is outside."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        # Every pixel takes the greatest number among itself and its neighbours, until none moves.
        padded = np.pad(labels, 1)
        spread = np.maximum.reduce(
            [labels, padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        )
        spread = np.where(mask, spread, 0)
        if np.array_equal(spread, labels):
            break
        labels = spread
    numbers = np.unique(labels[mask])
    return np.where(mask, np.searchsorted(numbers, labels) + 1, 0).astype(np.int32)


def _nearest(colour: Floats, names: dict[str, tuple[int, int, int]]) -> tuple[str | None, float]:
    """The name of the nearest colour within reach, and how near it is, 0 … 1."""
    distance = {name: float(np.linalg.norm(colour - np.array(rgb))) for name, rgb in names.items()}
    name = min(distance, key=distance.__getitem__)
    nearness = 1 - distance[name] / _COLOUR_REACH
    return (name, nearness) if nearness >= 0 else (None, 0.0)


def _examine(pixels: Floats, ground: Floats, component: Mask) -> FoundShape:
    """Colour, shape and place of one component."""
    contrast = np.linalg.norm(pixels - ground, axis=-1)
    # Edge pixels are mixed with the background; the colour is that of the more distant half.
    core = component & (contrast >= np.median(contrast[component]))
    paint = np.median(pixels[core], axis=0).astype(np.float32)
    around = np.pad(component, 1)
    touched = (
        component | around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    )
    span = float(np.sum((paint - ground) ** 2))
    share = (pixels - ground) @ (paint - ground) / (span or 1)
    alpha = np.where(touched, np.clip(share, 0, 1), 0).astype(np.float32)
    if not alpha.any():
        # Noise whose colours have the background's as their middle: it is where its pixels are.
        alpha = component.astype(np.float32)
    rows, columns = np.indices(alpha.shape) + 0.5
    y, x = float((alpha * rows).sum() / alpha.sum()), float((alpha * columns).sum() / alpha.sum())
    colour, purity = _nearest(paint, COLOURS)
    return FoundShape(_shape(alpha, x, y), colour, x, y, purity)


def _shape(alpha: Floats, x: float, y: float) -> str | None:
    top, left = round(y) - _WINDOW // 2, round(x) - _WINDOW // 2
    window = np.pad(alpha, _WINDOW)[
        top + _WINDOW : top + 2 * _WINDOW, left + _WINDOW : left + 2 * _WINDOW
    ].reshape(-1)
    if window.sum() < 0.99 * alpha.sum():
        return None  # larger than any thing of the world
    templates = _templates()
    total = window.sum() + templates.sum(axis=-1)
    misfit = np.abs(templates - window).sum(axis=-1) / total
    least, shape = min(zip(misfit.min(axis=1).tolist(), SHAPES, strict=True))
    return shape if least <= _MISFIT else None


@lru_cache(maxsize=1)
def _templates() -> Floats:
    """``float32[shapes, placements, window²]``: sizes 9 to 13, shifted by up to a pixel."""
    stacks = []
    for shape in SHAPES:
        placed = []
        for size in range(9, 14):
            cover = coverage(shape, size)
            rows, columns = np.indices(cover.shape) + 0.5
            top = round(_WINDOW / 2 - float((cover * rows).sum() / cover.sum()))
            left = round(_WINDOW / 2 - float((cover * columns).sum() / cover.sum()))
            still = np.zeros((_WINDOW, _WINDOW), np.float32)
            still[top : top + size, left : left + size] = cover
            for dy in (-1.0, -0.5, 0.0, 0.5, 1.0):
                for dx in (-1.0, -0.5, 0.0, 0.5, 1.0):
                    placed.append(_shifted(_shifted(still, dy, 0), dx, 1).reshape(-1))
        stacks.append(np.stack(placed))
    return np.stack(stacks)


def _shifted(picture: Floats, by: float, axis: int) -> Floats:
    low = int(np.floor(by))
    rest = np.float32(by - low)
    return (1 - rest) * np.roll(picture, low, axis) + rest * np.roll(picture, low + 1, axis)


def strict(prompt: str | Meaning, image: Image.Image | Reading) -> bool:
    """Whether the picture shows what was asked for, on that background, and nothing else."""
    meaning, reading = _both(prompt, image)
    if meaning.background not in (None, reading.background) or reading.background is None:
        return False
    wanted = meaning.wanted
    if len(reading.found) != len(wanted):
        return False
    if any(thing.shape is None or thing.colour is None for thing in reading.found):
        return False
    return shows(meaning, reading.found)


def lenient(prompt: str | Meaning, image: Image.Image | Reading) -> bool:
    """GenEval's rule: what was asked for is there; background and other things do not count.

    Only counting is exact, over the things of the kind asked for.
    """
    meaning, reading = _both(prompt, image)
    if meaning.count > 1:
        alike = [thing for thing in reading.found if _fits(thing, meaning.things[0])]
        return len(alike) == meaning.count
    return any(shows(meaning, some) for some in permutations(reading.found, len(meaning.things)))


def _both(prompt: str | Meaning, image: Image.Image | Reading) -> tuple[Meaning, Reading]:
    meaning = prompt if isinstance(prompt, Meaning) else parse(prompt)
    return meaning, image if isinstance(image, Reading) else read(image)


def _fits(thing: FoundShape, asked: Asked) -> bool:
    return thing.shape == asked.shape and asked.colour in (None, thing.colour)


def shows(meaning: Meaning, found: Sequence[FoundShape]) -> bool:
    """Whether ``found``, in some order, is what was asked for."""
    for order in permutations(found):
        if all(map(_fits, order, meaning.wanted)):
            if meaning.relation is None:
                return True
            dx, dy = RELATIONS[meaning.relation]
            across, down = order[1].x - order[0].x, order[1].y - order[0].y
            # GenEval's "left of" and its kin: within 60 degrees of the direction.
            if (across * dx + down * dy) > 0.5 * np.hypot(across, down):
                return True
    return False
