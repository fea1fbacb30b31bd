"""Pixels as OpenAI's CLIP was shown them; several rewards were trained on the same."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from PIL.Image import Image

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MEAN", "STD", "ClipPixels", "SquarePixels"]

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue over the pictures that CLIP was trained on, from 0 to 1."""


class ClipPixels:
    """The middle of an image: shortest side resized, crop to a square, normalised.

    By torchvision, as in ``clip.load`` of github.com/openai/CLIP: where a margin is odd,
    transformers' image processor crops one pixel beside it.

    Args:
        size: of the square.

    Attributes:
        preprocessing: see :class:`synpic.score.two_stage.TwoStageReward`.
    """

    def __init__(self, size: int) -> None:
        from torchvision import transforms
        from torchvision.transforms import InterpolationMode

        self.preprocessing: Hashable = (
            "resize shortest, crop centre",
            size,
            "bicubic, Pillow",
            MEAN,
            STD,
        )
        self._transform = transforms.Compose(
            [
                transforms.Resize(size, interpolation=InterpolationMode.BICUBIC),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __call__(self, image: Image) -> Tensor:
        """An RGB image → ``Float[Tensor, "3 size size"]``, float32 on the CPU."""
        pixels: Tensor = self._transform(image)
        return pixels


class SquarePixels:
    """A whole image, its sides made equal whatever their ratio was, normalised as for CLIP.

    By torchvision, as in ``data/__init__.py`` of github.com/salesforce/BLIP for tests.

    Args:
        size: of the square.

    Attributes:
        preprocessing: see :class:`synpic.score.two_stage.TwoStageReward`.
    """

    def __init__(self, size: int) -> None:
        from torchvision import transforms
        from torchvision.transforms import InterpolationMode

        self.preprocessing: Hashable = ("resize to a square", size, "bicubic, Pillow", MEAN, STD)
        self._transform = transforms.Compose(
            [
                transforms.Resize((size, size), interpolation=InterpolationMode.BICUBIC),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __call__(self, image: Image) -> Tensor:
        """An RGB image → ``Float[Tensor, "3 size size"]``, float32 on the CPU."""
        pixels: Tensor = self._transform(image)
        return pixels
