"""Pictures on the way: the same prompts from the same seeds, at a fixed interval of steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from synpic.engine.device import free_memory
from synpic.errors import StorageError
from synpic.readers.images import ImageError, decode
from synpic.release.cards.sheet import PictureGroup, captioned_sheet
from synpic.release.run_folder import SAMPLE_PROMPTS, SAMPLES, sampled_steps, step_name
from synpic.train.families.family import Encoded, TrainableFamily
from synpic.train.settings import TrainRecipe
from synpic.train.trainable_checkpoint import TrainableCheckpoint
from synpic.workspace.storage import Store

__all__ = ["Sampler", "card_sheet"]

_BATCH = 8
_SHOWN = 8
"""Prompts of a sheet in a card, at most."""
_PIXELS = 2 << 20
"""Pictures, and their pixels, that are drawn at once, at most; one picture at least."""


class Sampler:
    """Draws the sample prompts with the denoiser as it is now.

    Args:
        checkpoint, family: of the model.
        denoiser: the model that is trained, on its device.
        prompts: what is drawn.
        encoded, empty: the sample prompts, and as many empty ones.
        width, height: pixels.
        seed: the i-th prompt is drawn from ``seed + i``.
    """

    def __init__(
        self,
        checkpoint: TrainableCheckpoint,
        family: TrainableFamily,
        denoiser: Any,
        prompts: Sequence[str],
        encoded: Encoded,
        empty: Encoded,
        width: int,
        height: int,
        seed: int,
    ) -> None:
        self._family, self._settings = family, checkpoint.settings
        self._prompts = prompts
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

    def save(self, folder: Path, step: int) -> list[Image.Image]:
        """Draw, and write each picture, its prompt and seed, and a sheet of all with prompts.

        Args:
            folder: gets ``step-NNNNNNNN/I.png`` for the I-th prompt, ``step-NNNNNNNN.png``, and
                ``prompts.json``. The sheet comes last: a step that has one is whole.

        Returns:
            The pictures, in the order of the prompts.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        images = self.draw()
        free_memory()  # a step has no use for what the autoencoder took
        name = step_name(step)
        rows = [
            {"prompt": prompt, "seed": self._seed + i} for i, prompt in enumerate(self._prompts)
        ]
        groups = [
            PictureGroup(prompt, [image])
            for prompt, image in zip(self._prompts, images, strict=True)
        ]
        try:
            (folder / name).mkdir(parents=True, exist_ok=True)
            Store(folder).write(
                SAMPLE_PROMPTS, json.dumps(rows, ensure_ascii=False, indent=1).encode()
            )
            for i, image in enumerate(images):
                image.save(folder / name / f"{i}.png")
            captioned_sheet(groups).save(folder / f"{name}.png")
        except OSError as error:
            raise StorageError(
                f"{folder / name}: the pictures cannot be written: {error}",
                hint="make room and run the command again: it goes on from the last checkpoint",
            ) from error
        return images


def card_sheet(
    recipe: TrainRecipe, dataset: Mapping[str, Any], out: Path, step: int
) -> Image.Image | None:
    """A sheet of the samples before the first step beside those after ``step``.

    Args:
        dataset: that was read, as ``training.json`` has it.
        out: of the run.

    Returns:
        None where a card is not to show the prompts, or where the pictures of either step are not
        there (any more).
    """
    settings, folder = recipe.samples, out / SAMPLES
    shown = settings.in_card
    if shown is None:  # prompts of a private set stay private
        shown = bool(settings.prompts) or dataset["commit"] is not None
    steps = sampled_steps(folder) if settings.every and shown else {}
    if step == 0 or not {0, step} <= steps.keys():
        return None
    try:
        rows = json.loads((folder / SAMPLE_PROMPTS).read_bytes())[:_SHOWN]
        groups = [
            PictureGroup(
                str(row["prompt"]),
                [decode((steps[one] / f"{i}.png").read_bytes()) for one in (0, step)],
                ("before", "after"),
            )
            for i, row in enumerate(rows)
        ]
    except (ImageError, OSError, ValueError, TypeError, KeyError):
        return None
    return captioned_sheet(groups, columns=2) if groups else None


def _placed(value: torch.Tensor, device: Any, dtype: torch.dtype) -> torch.Tensor:
    return value.to(device, dtype if value.is_floating_point() else None)
