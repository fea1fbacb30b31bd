"""Images in as many pixels as a model is to be given."""

from __future__ import annotations

import math

from PIL.Image import Image, Resampling

from synpic.errors import RewardError

__all__ = ["check_pixels", "fit"]


def fit(image: Image, max_pixels: int) -> Image:
    """``image``, in its proportions and in at most ``max_pixels``; bicubic, by Pillow.

    No side is made shorter than a pixel: of an image of one row, the longer side alone is.
    """
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    columns, rows = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    columns, rows = min(columns, max_pixels // rows or 1), min(rows, max_pixels // columns or 1)
    return image.resize((columns, rows), Resampling.BICUBIC)


def check_pixels(reward: str, max_pixels: int) -> None:
    """Refuse a limit that leaves no pixel.

    Args:
        reward: for the message.

    Raises:
        RewardError: naming the option.
    """
    if type(max_pixels) is not int or not 1 <= max_pixels <= 1 << 28:
        raise RewardError(
            f"{reward}: max_pixels is {max_pixels!r}, expected a whole number from 1",
            hint="1048576 is 1024 × 1024",
        )
