"""Pictures made by formulas, so that they are the same for everyone who makes them.

Pixels come from integers and a few float operations that are rounded far from a half; the hash of
all of them is in the table that is published (:func:`pictures_hash`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

__all__ = ["KINDS", "PROMPTS", "SIZES", "one_size", "picture", "pictures", "pictures_hash"]

SIZES = ((224, 224), (512, 512), (768, 512), (512, 768), (1024, 1024), (644, 361))
"""Width and height: as large as the towers read, what models draw, and an odd one."""

PROMPTS = (
    "a red circle",
    "an oil painting of three blue squares on a green table",
    "a photo of a cat that sits on a wooden bench in the evening sun, a lighthouse behind it",
)


def smooth(seed: int, width: int, height: int) -> np.ndarray:
    """Slow gradients: a sum of three long waves in each colour."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    place = np.stack([x / width, y / height]).astype(np.float64)
    shown = np.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(3):
            across, down, phase = rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5), rng.uniform(0, 1)
            shown[..., channel] += np.cos(2 * np.pi * (across * place[0] + down * place[1] + phase))
    return 127.5 + 42 * shown


def textured(seed: int, width: int, height: int) -> np.ndarray:
    """Gradients under grain of three sizes: single pixels, blocks of 4 and of 16."""
    rng = np.random.RandomState(seed)
    shown = smooth(seed + 1000, width, height)
    for block, strength in ((1, 18), (4, 24), (16, 30)):
        rows, columns = -(-height // block), -(-width // block)
        grain = rng.randint(-strength, strength + 1, (rows, columns, 3))
        large = grain.repeat(block, 0).repeat(block, 1)
        shown = shown + large[:height, :width]
    return shown


def drawn(seed: int, width: int, height: int) -> np.ndarray:
    """Flat circles, bars and thin lines with hard edges on a flat ground."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    shown = np.zeros((height, width, 3)) + rng.randint(160, 256, 3)
    edge = min(width, height)
    for shape in range(9):
        colour = rng.randint(0, 256, 3)
        left, top = rng.randint(0, width), rng.randint(0, height)
        size = rng.randint(edge // 12, edge // 3)
        if shape % 3 == 0:
            where = (x - left) ** 2 + (y - top) ** 2 < size**2
        elif shape % 3 == 1:
            where = (abs(x - left) < size) & (abs(y - top) < size // 3)
        else:
            where = abs((x - left) * 3 - (y - top) * (shape - 4)) < 4
        shown[where] = colour
    return shown


KINDS: dict[str, Callable[[int, int, int], np.ndarray]] = {
    "smooth": smooth,
    "textured": textured,
    "drawn": drawn,
}


def picture(kind: str, seed: int, width: int, height: int) -> Image.Image:
    """A picture in RGB."""
    shown = KINDS[kind](seed, width, height)
    return Image.fromarray(shown.round().clip(0, 255).astype(np.uint8))


def pictures() -> list[Image.Image]:
    """Every kind in every size."""
    places = enumerate((kind, size) for kind in KINDS for size in SIZES)
    return [picture(kind, seed, *size) for seed, (kind, size) in places]


def one_size(kind: str, edge: int, count: int) -> list[Image.Image]:
    """``count`` squares of one kind."""
    return [picture(kind, 100 + seed, edge, edge) for seed in range(count)]


def pictures_hash(images: Iterable[Image.Image]) -> str:
    """64 hex digits of all pixels."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.size}".encode())
        digest.update(image.tobytes())
    return digest.hexdigest()
