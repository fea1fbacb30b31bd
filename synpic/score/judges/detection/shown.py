"""Images as GenEval's detector is shown them, computed as mmdet does it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PREPROCESSING", "ReadyImage", "fitted", "resized", "shown"]

SHORT, LONG = 800, 1333
"""Of a resized image, the sides at most, in pixels; one of the two is reached."""

DIVISOR = 32
"""Sides are padded to multiples of it: the stride of the coarsest features."""

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""Of red, green and blue in ImageNet, 0 … 255."""

PREPROCESSING: Hashable = ("geneval", SHORT, LONG, DIVISOR, "bilinear, fixed point", MEAN, STD)
"""Equal for two judges if, and only if, :func:`shown` is what they make ready."""

_BITS = 11
_ONE = np.float32(1 << _BITS)
"""Weights of neighbours are counted in units of 1/2048."""


@dataclass(frozen=True)
class ReadyImage:
    """An image made ready for the detector.

    Args:
        image: as it was, RGB: colours are read of it.
        pixels: ``Float[Tensor, "3 height width"]``, float32 on the CPU, resized and padded.
        height: of what is no padding, in pixels.
        width: the same.
    """

    image: Image.Image
    pixels: Tensor
    height: int
    width: int


def shown(image: Image.Image) -> ReadyImage:
    """An RGB image made ready: resized, normalised, padded with zeros at the right and below.

    Source: the test pipeline of configs/mask2former of github.com/open-mmlab/mmdetection at v2.
    What differs from it: mmdet reads the file itself, by OpenCV. Here the image is decoded by
    :mod:`synpic.readers.images`, and another decoder of JPEG may give a value that is one or two
    off. :func:`resized` gives OpenCV's own values.
    """
    import torch

    height, width = fitted(image.height, image.width)
    small = resized(np.asarray(image.convert("RGB")), height, width)
    # As mmcv: the factor is rounded to float32 once.
    mean, factor = np.array(MEAN, np.float32), (1 / np.array(STD)).astype(np.float32)
    normal = (small.astype(np.float32) - mean) * factor
    pixels = torch.zeros(3, _padded(height), _padded(width))
    pixels[:, :height, :width] = torch.from_numpy(normal).permute(2, 0, 1)
    return ReadyImage(image, pixels, height, width)


def fitted(height: int, width: int) -> tuple[int, int]:
    """Height and width after resizing: as large as both limits allow, the ratio kept."""
    scale = min(LONG / max(height, width), SHORT / min(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """``UInt8[ndarray, "rows columns 3"]`` at another size, bilinear and without antialiasing.

    In the fixed-point arithmetic of ``cv2.resize`` with ``INTER_LINEAR``, which mmdet calls: equal
    to that of OpenCV 4.14 in every value, for sizes up and down. Arithmetic in floats differs from
    it by 1 in about an eighth of all values. Weights have 11 bits; sums along a row lose their last
    4 bits before rows are weighted, and the result is rounded once.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    above, below, down = _neighbours(pixels.shape[0], height)
    left, right, across = _neighbours(pixels.shape[1], width)
    # Beyond the outermost pixels along a row one neighbour has all the weight; along a column both
    # neighbours are the same pixel, and each is rounded.
    across[(left < 0) | (left >= pixels.shape[1] - 1)] = 0
    left, right = np.clip(left, 0, None), np.clip(right, None, pixels.shape[1] - 1)
    left = np.minimum(left, pixels.shape[1] - 1)
    above, below = (np.clip(one, 0, pixels.shape[0] - 1) for one in (above, below))
    values = pixels.astype(np.int32)
    rows = values[:, left] * _weight(1 - across)[:, None]
    rows += values[:, right] * _weight(across)[:, None]
    rows >>= 4
    upper = (rows[above] * _weight(1 - down)[:, None, None]) >> 16
    upper += (rows[below] * _weight(down)[:, None, None]) >> 16
    return ((upper + 2) >> 2).astype(np.uint8)


def _neighbours(
    there: int, wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Of each wanted pixel, the two there are around it, and the weight of the second."""
    at = ((np.arange(wanted) + 0.5) * (there / wanted) - 0.5).astype(np.float32)
    first = np.floor(at)
    return first.astype(np.int64), first.astype(np.int64) + 1, at - first


def _weight(share: NDArray[np.float32]) -> NDArray[np.int32]:
    rounded: NDArray[np.int32] = np.rint(share * _ONE).astype(np.int32)
    return rounded


def _padded(side: int) -> int:
    return -(-side // DIVISOR) * DIVISOR
