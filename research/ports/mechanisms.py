"""synpic's rewards with one thing done as a port does it; never part of the package.

Each changes the reward that it was given. The public rewards have no such option.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F  # noqa: N812

from synpic.score.towers.clip_pixels import MEAN, STD

__all__ = [
    "BILINEAR",
    "backend",
    "batch_maximum",
    "changed_scores",
    "cropped",
    "in_halves",
    "in_tensors",
    "jpeg",
    "padded",
    "prefixed",
    "through_jpeg",
    "with_gelu",
    "with_pixels",
]

Pixels = Callable[[Image.Image], Tensor]

BICUBIC, BILINEAR = InterpolationMode.BICUBIC, InterpolationMode.BILINEAR


def with_pixels(reward: Any, pixels: Pixels) -> Any:
    """``reward``, whose pictures are made ready by ``pixels``."""
    reward.pixels = pixels
    return reward


def in_tensors(interpolation: InterpolationMode = BICUBIC, size: int = 224) -> Pixels:
    """Shortest side resized as floats in 0 … 1, middle cropped: no rounding to 8 bits between.

    A bicubic resize of floats leaves values below 0 and above 1, which Pillow's cuts off.
    """

    def pixels(image: Image.Image) -> Tensor:
        shown = F.resize(F.to_tensor(image), size, interpolation, antialias=True)
        return F.normalize(F.center_crop(shown, [size, size]), MEAN, STD)  # type: ignore[no-any-return]

    return pixels


def cropped(interpolation: InterpolationMode = BICUBIC, size: int = 224) -> Pixels:
    """Shortest side resized by Pillow, middle cropped: what is beside a square is not seen."""

    def pixels(image: Image.Image) -> Tensor:
        shown = F.center_crop(F.resize(image, size, interpolation), [size, size])
        return F.normalize(F.to_tensor(shown), MEAN, STD)  # type: ignore[no-any-return]

    return pixels


def padded(image: Image.Image, size: int = 224) -> Tensor:
    """Longest side resized by Pillow, black around what is left: open_clip's "longest"."""
    from open_clip.transform import CenterCropOrPad, ResizeKeepRatio

    shown = ResizeKeepRatio(size, longest=1, interpolation=BICUBIC)(image)
    shown = CenterCropOrPad(size, fill=0)(shown)
    return F.normalize(F.to_tensor(shown), MEAN, STD)  # type: ignore[no-any-return]


def backend(reward: Any, processor: str, name: str) -> Any:
    """Pictures made ready by transformers' image processor with this backend."""
    from transformers import AutoImageProcessor

    made: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
        processor, backend=name
    )

    def pixels(image: Image.Image) -> Tensor:
        shown: Tensor = made(images=image, return_tensors="pt").pixel_values[0]
        return shown

    return with_pixels(reward, pixels)


def in_halves(reward: Any) -> Any:
    """Pixels rounded to float16."""
    pixels = reward.pixels
    return with_pixels(reward, lambda image: pixels(image).half().float())


def through_jpeg(reward: Any, quality: int) -> Any:
    """Pictures written as JPEG and read again, as on the wire of a trainer."""
    pixels = reward.pixels
    return with_pixels(reward, lambda image: pixels(jpeg(image, quality)))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """As Pillow writes it with this quality, and reads it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def changed_scores(reward: Any, change: Callable[[float], float]) -> Any:
    """Every score changed by itself: rounded, cut off, divided."""
    judge = reward.judge
    reward.judge = lambda prompts, pixels: [change(one) for one in judge(prompts, pixels)]
    return reward


def with_gelu(reward: Any) -> Any:
    """GELU in the place of QuickGELU in every layer of a CLIP of transformers."""
    for module in _modules(reward):
        for part in module.modules():
            if hasattr(part, "activation_fn"):
                part.activation_fn = torch.nn.GELU()
    return reward


def prefixed(reward: Any, prefix: str) -> Any:
    """``prefix`` before every prompt."""
    judge = reward.judge
    reward.judge = lambda prompts, pixels: judge([prefix + one for one in prompts], pixels)
    return reward


def batch_maximum(reward: Any) -> Any:
    """MPS: similarities divided by the greatest of the batch in the place of the prompt's own."""

    def matter(words: Tensor) -> Tensor:
        nearest = (words @ reward._condition.T).amax(-1)
        seen: Tensor = nearest / nearest.amax() > reward._threshold
        return seen

    reward._matter = matter
    return reward


def _modules(reward: Any) -> Sequence[torch.nn.Module]:
    found = [one for one in vars(reward).values() if isinstance(one, torch.nn.Module)]
    towers = getattr(reward, "_towers", None)
    return found + ([] if towers is None else list(_modules(towers)))
