"""The size at which a prompt's images are learnt from, and how an image is brought to it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling

from synpic.errors import TrainingError

__all__ = ["Crop", "Size", "common_size", "crop_of", "fit", "parse_size"]

Size = tuple[int, int]
"""Height and width in pixels."""

Crop = tuple[int, int, int, int, int, int]
"""Height and width before, rows and columns cut off above and left, height and width after."""


def parse_size(text: str, multiple: int, name: str = "data.size") -> Size:
    """ "WIDTHxHEIGHT" as a size.

    Args:
        name: of the setting, for the message.

    Raises:
        TrainingError: it is none, or a side is no multiple of ``multiple``.
    """
    if not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", text):
        raise TrainingError(
            f'{name} = "{text}": a size is WIDTHxHEIGHT, in pixels', hint='"1024x1024", for one'
        )
    width, height = map(int, text.split("x"))
    if width % multiple or height % multiple:
        raise TrainingError(
            f'{name} = "{text}": this model takes multiples of {multiple} pixels',
            hint=f'"{_down(width, multiple)}x{_down(height, multiple)}"',
        )
    return height, width


def common_size(sizes: Sequence[Size], multiple: int) -> Size:
    """Of the smallest of the images, its sides rounded down to ``multiple``, and one at least.

    Smallest is by area; of equal ones the first in order of height.
    """
    height, width = min(sizes, key=lambda size: (size[0] * size[1], size))
    return _down(height, multiple), _down(width, multiple)


def crop_of(size: Size, to: Size) -> Crop:
    """How an image of ``size`` covers ``to``: resized until it does, and the middle cut out.

    Rows and columns that are cut off are counted after resizing, as in SDXL's training (Podell et
    al., arXiv 2307.01952, §2.2).
    """
    height, width = _covering(size, to)
    return (*size, (height - to[0]) // 2, (width - to[1]) // 2, *to)


def fit(image: Image, to: Size) -> npt.NDArray[np.uint8]:
    """An RGB image, brought to ``to`` as :func:`crop_of` says, ``UInt8[height, width, 3]``."""
    size = (image.height, image.width)
    height, width = _covering(size, to)
    if (height, width) != size:
        image = image.resize((width, height), Resampling.LANCZOS)
    top, left = crop_of(size, to)[2:4]
    return np.asarray(image.crop((left, top, left + to[1], top + to[0])))


def _covering(size: Size, to: Size) -> Size:
    """The least size of the same shape that covers ``to``: one side is equal."""
    height, width = size
    if height * to[1] < width * to[0]:
        return to[0], max(to[1], round(width * to[0] / height))
    return max(to[0], round(height * to[1] / width)), to[1]


def _down(side: int, multiple: int) -> int:
    return max(multiple, side // multiple * multiple)
