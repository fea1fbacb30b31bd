"""Pictures on the way: the same prompts from the same seeds, at a fixed interval of steps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from synpic.engine.device import free_memory
from synpic.errors import StorageError
from synpic.train.families.family import Encoded, TrainableFamily
from synpic.train.trainable_checkpoint import TrainableCheckpoint

__all__ = ["Sampler"]

_BATCH = 8
_PIXELS = 2 << 20
"""Pictures, and their pixels, that are drawn at once, at most; one picture at least."""


class Sampler:
    """Draws the sample prompts with the denoiser as it is now.

    Args:
        checkpoint, family: of the model.
        denoiser: the model that is trained, on its device.
        encoded, empty: the sample prompts, and as many empty ones.
        width, height: pixels.
        seed: the i-th prompt is drawn from ``seed + i``.
    """

    def __init__(
        self,
        checkpoint: TrainableCheckpoint,
        family: TrainableFamily,
        denoiser: Any,
        encoded: Encoded,
        empty: Encoded,
        width: int,
        height: int,
        seed: int,
    ) -> None:
        self._family, self._settings = family, checkpoint.settings
        self._encoded, self._empty = encoded, empty
        self._size = (width, height)
        self._seed = seed
        self._denoiser = denoiser
        self._pipeline = checkpoint.drawing(family, denoiser, denoiser.device)

    @torch.no_grad()
    def draw(self) -> list[Image.Image]:
        """A picture for each sample prompt. The denoiser is left as it was."""
        training = self._denoiser.training
        self._denoiser.eval()
        try:
            return self._drawn()
        finally:
            self._denoiser.train(training)

    def _drawn(self) -> list[Image.Image]:
        count = len(next(iter(self._encoded.values())))
        device, dtype = self._denoiser.device, self._denoiser.dtype
        named = {
            "num_inference_steps": self._settings.steps,
            "guidance_scale": self._settings.guidance,
        }
        given = {key: value for key, value in named.items() if value is not None}
        images: list[Image.Image] = []
        most = max(1, min(_BATCH, _PIXELS // (self._size[0] * self._size[1])))
        for start in range(0, count, most):
            rows = slice(start, min(count, start + most))
            encoded, empty = (
                {name: _placed(value[rows], device, dtype) for name, value in one.items()}
                for one in (self._encoded, self._empty)
            )
            drawn = self._pipeline(
                **self._family.drawing(encoded, empty),
                **given,
                **self._settings.call,
                width=self._size[0],
                height=self._size[1],
                generator=[
                    torch.Generator("cpu").manual_seed(self._seed + i)
                    for i in range(rows.start, rows.stop)
                ],
            )
            images += drawn.images
        return images

    def save(self, path: Path) -> None:
        """Draw, and write the pictures side by side.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        sheet = side_by_side(self.draw())
        free_memory()  # a step has no use for what the autoencoder took
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            sheet.save(path)
        except OSError as error:
            raise StorageError(
                f"{path}: the pictures cannot be written: {error}",
                hint="make room and run the command again: it goes on from the last checkpoint",
            ) from error


def side_by_side(images: list[Image.Image]) -> Image.Image:
    """The images in rows, about as many as columns."""
    columns = math.ceil(math.sqrt(len(images)))
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(images) // columns) * height))
    for place, image in enumerate(images):
        sheet.paste(image, (place % columns * width, place // columns * height))
    return sheet


def _placed(value: torch.Tensor, device: Any, dtype: torch.dtype) -> torch.Tensor:
    return value.to(device, dtype if value.is_floating_point() else None)
