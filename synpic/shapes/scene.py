"""Scenes of coloured shapes and the program that draws them.

A scene is a background and up to four things, each a shape of one colour in a cell of its own of
a 2 x 2 grid. Things are 10 to 12 pixels wide on a canvas of 32, so two of them are always at
least ``MIN_GAP`` pixels apart. Edges are antialiased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "BACKGROUNDS",
    "CANVAS",
    "COLOURS",
    "MIN_GAP",
    "SHAPES",
    "SIZES",
    "Scene",
    "Thing",
    "arrange",
    "coverage",
    "random_scene",
    "render",
    "sheet",
    "to_image",
]

CANVAS = 32
"""Width and height of a picture, in pixels."""

SIZES = (10, 11, 12)
"""Widths of a thing, in pixels."""

MIN_GAP = 2
"""Least number of pixels between the boxes of two things."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 45),
    "orange": (250, 140, 20),
    "yellow": (255, 225, 60),
    "green": (30, 165, 65),
    "cyan": (50, 205, 220),
    "blue": (40, 80, 225),
    "purple": (150, 50, 185),
}

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "black": (12, 12, 16),
    "grey": (124, 126, 130),
    "white": (246, 246, 244),
}

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_SUPERSAMPLE = 8
_CELL = CANVAS // 2
_JITTER = 1


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape of one colour; (``x``, ``y``) is the top left pixel of its ``size``-wide box."""

    shape: str
    colour: str
    x: int
    y: int
    size: int

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box, in pixels from the top left corner of the canvas."""
        return self.x + self.size / 2, self.y + self.size / 2


@dataclass(frozen=True, slots=True)
class Scene:
    """A background (a name of ``BACKGROUNDS``) and the things on it."""

    background: str
    things: tuple[Thing, ...]


def _inside_circle(x: Floats, y: Floats) -> Mask:
    return x**2 + y**2 <= 1


def _inside_square(x: Floats, y: Floats) -> Mask:
    return np.maximum(np.abs(x), np.abs(y)) <= 0.87


def _inside_triangle(x: Floats, y: Floats) -> Mask:
    # Apex up at (0, -0.95), base from (-1, 0.85) to (1, 0.85).
    return (y <= 0.85) & (np.abs(x) <= (y + 0.95) / 1.8)


def _inside_cross(x: Floats, y: Floats) -> Mask:
    near, far = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    return (near <= 0.32) & (far <= 1)


def _inside_star(x: Floats, y: Floats) -> Mask:
    # Five points, the first one up: fold the plane into one tenth of the star, whose edge is the
    # line from a tip (radius 1.05) to a notch (radius 0.46).
    tip, notch, tenth = 1.05, 0.46, np.pi / 5
    y = y - 0.06
    angle = np.mod(np.arctan2(x, -y), 2 * tenth)
    angle = np.minimum(angle, 2 * tenth - angle)
    radius = np.hypot(x, y)
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    nx, ny = notch * np.cos(tenth), notch * np.sin(tenth)
    inside: Mask = (nx - tip) * py - ny * (px - tip) >= 0
    return inside


_INSIDE: dict[str, Callable[[Floats, Floats], Mask]] = {
    "circle": _inside_circle,
    "square": _inside_square,
    "triangle": _inside_triangle,
    "cross": _inside_cross,
    "star": _inside_star,
}

SHAPES = tuple(_INSIDE)


@lru_cache(maxsize=256)
def coverage(shape: str, size: int) -> Floats:
    """How much of each pixel of a ``size`` x ``size`` box the shape covers, 0 … 1 (read only)."""
    n = size * _SUPERSAMPLE
    axis: Floats = np.linspace(-1 + 1 / n, 1 - 1 / n, n, dtype=np.float32)
    x, y = np.broadcast_to(axis, (n, n)), np.broadcast_to(axis[:, None], (n, n))
    inside = _INSIDE[shape](x, y).astype(np.float32)
    covered: Floats = inside.reshape(size, _SUPERSAMPLE, size, _SUPERSAMPLE).mean(axis=(1, 3))
    covered.setflags(write=False)
    return covered


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draw a scene: ``uint8[32, 32, 3]``, RGB."""
    canvas = np.empty((CANVAS, CANVAS, 3), np.float32)
    canvas[:] = BACKGROUNDS[scene.background]
    for thing in scene.things:
        box = canvas[thing.y : thing.y + thing.size, thing.x : thing.x + thing.size]
        alpha = coverage(thing.shape, thing.size)[..., None]
        box += alpha * (np.array(COLOURS[thing.colour], np.float32) - box)
    return np.rint(canvas).astype(np.uint8)


def to_image(scene: Scene) -> Image.Image:
    """Draw a scene as a 32 x 32 RGB image."""
    return Image.fromarray(render(scene))


def arrange(
    things: Sequence[tuple[str, str]],
    background: str,
    rng: np.random.Generator,
    *,
    towards: tuple[int, int] | None = None,
) -> Scene:
    """Place one to four (shape, colour) pairs at random.

    ``towards`` (for two things) is the direction from the first to the second, one of (1, 0),
    (-1, 0), (0, 1), (0, -1) with y growing downwards; without it any two cells are taken.
    """
    if not 1 <= len(things) <= 4:
        raise ValueError(f"a scene holds 1 to 4 things, not {len(things)}")
    corners = _cells(len(things), towards, rng)
    placed = []
    for (shape, colour), (left, top) in zip(things, corners, strict=True):
        size = int(rng.choice(SIZES))
        slack = (_CELL - size) // 2
        dx, dy = rng.integers(-_JITTER, _JITTER, size=2, endpoint=True)
        placed.append(Thing(shape, colour, left + slack + int(dx), top + slack + int(dy), size))
    return Scene(background, tuple(placed))


def _cells(
    count: int, towards: tuple[int, int] | None, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Top left corners of ``count`` cells of the grid, in random order or in the given one."""
    if towards is None:
        choices = list(combinations([(0, 0), (1, 0), (0, 1), (1, 1)], count))
        chosen = list(choices[rng.integers(len(choices))])
        rng.shuffle(chosen)
    else:
        dx, dy = towards
        lane = int(rng.integers(2))
        first = (int(dx < 0), lane) if dx else (lane, int(dy < 0))
        chosen = [first, (first[0] + dx, first[1] + dy)]
    return [(_CELL * column, _CELL * row) for column, row in chosen]


def random_scene(rng: np.random.Generator) -> Scene:
    """Any scene of the world: 1 to 4 things of any shape and colour on any background."""
    count = int(rng.integers(1, 5))
    things = [(str(rng.choice(SHAPES)), str(rng.choice(list(COLOURS)))) for _ in range(count)]
    return arrange(things, str(rng.choice(list(BACKGROUNDS))), rng)


def sheet(images: Sequence[Image.Image], columns: int, zoom: int = 3) -> Image.Image:
    """Images of one size side by side with a line between them, each pixel ``zoom`` wide."""
    width, height = (zoom * side + 2 for side in images[0].size)
    rows = -(-len(images) // columns)
    picture = Image.new("RGB", (columns * width - 2, rows * height - 2), "white")
    for i, image in enumerate(images):
        big = image.resize((width - 2, height - 2), Image.Resampling.NEAREST)
        picture.paste(big, (i % columns * width, i // columns * height))
    return picture
