"""Images as GenEval's detector is shown them, computed as mmdet does it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synpic.score.judges.detection.instances import Sizes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PREPROCESSING", "ReadyImage", "fitted", "resized", "shown", "stacked"]

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
    """An image made ready for the detector, in bytes: a batch waits in memory.

    Args:
        image: as it was, RGB: colours are read of it.
        pixels: ``UInt8[ndarray, "height width 3"]``, resized.
    """

    image: Image.Image
    pixels: NDArray[np.uint8]

    @property
    def sizes(self) -> Sizes:
        """Of the image, on its way into the detector."""
        height, width = self.pixels.shape[:2]
        image = self.image.height, self.image.width
        return Sizes(image, (height, width), (_padded(height), _padded(width)))


def shown(image: Image.Image) -> ReadyImage:
    """An RGB image made ready: resized.

    Source: the test pipeline of configs/mask2former of github.com/open-mmlab/mmdetection at v2.
    What differs from it: mmdet reads the file itself, by OpenCV. Here the image is decoded by
    :mod:`synpic.readers.images`, and another decoder of JPEG may give a value that is one or two
    off. :func:`resized` gives OpenCV's own values.
    """
    height, width = fitted(image.height, image.width)
    return ReadyImage(image, resized(np.asarray(image.convert("RGB")), height, width))


def stacked(images: Sequence[ReadyImage], device: str) -> Tensor:
    """n images of one padded size as the network takes them, ``Float[Tensor, "n 3 height width"]``.

    Normalised, then padded with zeros at the right and below. float32, on the device.
    """
    import torch

    # As mmcv: the factor is rounded to float32 once.
    mean = torch.tensor(MEAN, device=device)[:, None, None]
    factor = (1 / torch.tensor(STD, dtype=torch.float64)).float().to(device)[:, None, None]
    made = torch.zeros(len(images), 3, *images[0].sizes.padded, device=device)
    for place, image in zip(made, images, strict=True):
        height, width = image.sizes.resized
        pixels = torch.from_numpy(image.pixels).to(device).permute(2, 0, 1).float()
        place[:, :height, :width] = (pixels - mean) * factor
    return made


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
        return pixels.copy()  # an image lends its own, which torch does not take
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
