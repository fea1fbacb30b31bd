"""What a family is to the trainer: how a kind of model is conditioned, noised and asked.

Nothing else of the trainer knows families. Encoding happens once, into a cache; after that only the
denoiser and this class are needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.settings import NoiseSettings

__all__ = ["CLIP_TOKENS", "Encoded", "TrainableFamily", "fitted"]

Encoded = dict[str, Tensor]
"""What a denoiser needs to know of prompts: name → ``Tensor``, a prompt in each row."""


CLIP_TOKENS = 77
"""Of a prompt, whatever its length."""


class TrainableFamily(ABC):
    """A kind of model.

    Args:
        settings: complete settings of the model (``call`` may hold ``max_sequence_length`` …).
        scheduler: configuration of the checkpoint's scheduler.
        noise: how images are noised; None means as the family was trained.
        shape: configuration of the checkpoint's denoiser.

    Raises:
        TrainingError: a setting that the family does not take, or a scheduler it cannot follow.
    """

    denoiser: ClassVar[str]
    """The pipeline's part that is trained: "unet" or "transformer"."""
    adapted: ClassVar[tuple[str, ...]]
    """Layers that LoRA adapts by default, by the end of their names."""
    lora_mixin: ClassVar[bool] = True
    """Whether the pipeline itself loads adapters (``load_lora_weights``)."""
    multiple: ClassVar[int] = 8
    """Sides of images are multiples of it, in pixels, the autoencoder's factor included."""

    def __init__(
        self,
        settings: ModelSettings,
        scheduler: Mapping[str, Any],
        noise: NoiseSettings,
        shape: Mapping[str, Any] | None = None,
    ) -> None:
        # They change what a prompt says to the denoiser, and some of it for the prompt alone.
        for key in sorted({"clip_skip", "prompt_2", "prompt_3"} & settings.call.keys()):
            raise TrainingError(
                f"model.call.{key}: training reads prompts as the pipeline does of itself",
                hint="leave it out",
            )
        self.settings = settings
        self.shape = shape or {}
        self.code: Mapping[str, str] = {}
        """What tells one version of its code from the next; nothing of synpic's own."""

    def encodes_by(self) -> Mapping[str, Any]:
        """All of the settings that :meth:`encode_prompts` depends on, as JSON-like data.

        With the checkpoint and the family it decides what the cache of prompts holds.
        """
        return {"computed_in": self.settings.dtype, "call": self.settings.call}

    @property
    def largest(self) -> int | None:
        """Pixels that a side of an image may have; None for any number."""
        return None

    def check_size(self, size: tuple[int, int]) -> None:
        """See that the denoiser takes images of ``size``, height and width in pixels.

        Raises:
            TrainingError: they are too large.
        """
        if self.largest is not None and max(size) > self.largest:
            raise TrainingError(
                f"images of {size[1]}x{size[0]} pixels are too large: {self.settings.checkpoint} "
                f"takes {self.largest} each side at most",
                hint='set data.size, "1024x1024" for one',
            )

    @abstractmethod
    def encode_prompts(self, pipeline: Any, texts: Sequence[str]) -> Encoded:
        """What the denoiser gets for ``texts``, as in the pipeline's call, on the CPU.

        A row does not depend on the other rows.
        """

    @abstractmethod
    def prompt_numbers(self, index: Mapping[str, Any]) -> int:
        """How many numbers ``encode_prompts`` gives of a prompt, about.

        Args:
            index: ``model_index.json`` of the checkpoint.
        """

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        """Latents of images as the denoiser sees them: shifted and scaled, without sampling.

        Args:
            pixels: ``Float[Tensor, "images 3 height width"]`` in −1 … 1.

        Returns:
            ``Float[Tensor, "images channels h w"]`` in float32, on the device of the autoencoder.
        """
        vae = pipeline.vae
        latents: Tensor = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode().float()
        return self.scaled(latents, vae.config)

    def scaled(self, latents: Tensor, config: Any) -> Tensor:
        """The autoencoder's latents as the denoiser sees them: what the pipeline undoes at its end.

        Args:
            latents: ``Float[Tensor, "images channels h w"]``.
            config: of the autoencoder.
        """
        shift = getattr(config, "shift_factor", None) or 0.0
        scaled: Tensor = (latents - shift) * config.scaling_factor
        return scaled

    @abstractmethod
    def sample_times(self, generator: torch.Generator, count: int) -> Tensor:
        """Times to train at, ``Float[Tensor, "count"]`` on the CPU, in the family's own unit."""

    @abstractmethod
    def add_noise(self, latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy latents, and what the denoiser is to say of them.

        Args:
            latents, noise: ``Float[Tensor, "images channels h w"]``.
            times: ``Float[Tensor, "images"]``.

        Returns:
            Twice the shape of ``latents``, in its dtype.
        """

    @abstractmethod
    def predict(
        self, denoiser: Any, noisy: Tensor, times: Tensor, encoded: Encoded, crops: Tensor
    ) -> Tensor:
        """What ``denoiser`` says of ``noisy``, in the shape of the target.

        Args:
            encoded: a row for each image.
            crops: ``Int[Tensor, "images 6"]``: height and width of the image before it was
                resized and cut, rows and columns cut off above and left, height and width after.
        """

    @abstractmethod
    def drawing(self, encoded: Encoded, empty: Encoded) -> dict[str, Any]:
        """Arguments of the pipeline's call that stand for prompts, without any text encoder.

        Args:
            encoded: of the prompts; empty: of as many empty ones.
        """


def fitted(denoiser: Any, value: Tensor) -> Tensor:
    """``value`` in the dtype of the denoiser's weights, which no autocast need be on for.

    The first of its parameters is one of the model's own, whatever wraps it and whatever adapters
    were added.
    """
    return value.to(next(denoiser.parameters()).dtype)
