"""What trainers hold images in → pictures: arrays and tensors of either layout, or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from synpic.errors import RewardError
from synpic.readers.images import as_rgb

__all__ = ["as_pictures"]

_CHANNELS = 3


def as_pictures(images: Any) -> list[Image.Image]:
    """n pictures.

    Args:
        images: pictures; or a tensor or array ``[n, 3, h, w]`` or ``[n, h, w, 3]``, or a sequence
            of such without n: uint8, or floats 0 … 1, which are rounded to the nearest of 256 as
            Flow-GRPO does. What lies outside is cut off.

    Raises:
        RewardError: the number of the first that is none of these.
    """
    held: Sequence[Any] = list(images)
    return [
        as_rgb(one) if isinstance(one, Image.Image) else _of_array(one, number)
        for number, one in enumerate(held)
    ]


def _of_array(image: Any, number: int) -> Image.Image:
    if hasattr(image, "detach"):  # a tensor of torch, on any device and of any floating type
        image = image.detach().cpu()
        image = (image.float() if image.is_floating_point() else image).numpy()
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[0] == _CHANNELS and array.shape[2] != _CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] != _CHANNELS:
        raise RewardError(
            f"image {number} has the shape {array.shape}",
            hint="expected 3 × height × width, or height × width × 3",
        )
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.floating):
            raise RewardError(
                f"image {number} is of {array.dtype}", hint="expected uint8, or floats 0 … 1"
            )
        if not np.isfinite(array).all():
            raise RewardError(
                f"image {number} has values that are no finite numbers",
                hint="the model has diverged, or its decoder overflowed",
            )
        array = (array.astype(np.float32) * 255).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))
