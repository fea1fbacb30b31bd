"""A batch: prompts with all their images, encoded, noised and labelled, as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from torch import Tensor

__all__ = ["Batch", "Labels"]


@dataclass(frozen=True)
class Labels:
    """What is known of the images of each prompt; k is the largest number of images of one.

    Args:
        preference: ``Float[Tensor, "prompts k"]``, φ in 0 … 1; anything where there is no image.
        rank: ``Int[Tensor, "prompts k"]``, τ in 1 … k, 1 is the best and ties are equal.
        present: ``Bool[Tensor, "prompts k"]``: there is such an image.
    """

    preference: Tensor
    rank: Tensor
    present: Tensor


@dataclass(frozen=True)
class Batch:
    """Images of a batch are one after another, prompt by prompt; absent ones take no place.

    Args:
        latents: ``Float[Tensor, "images channels h w"]``.
        noise: the same shape.
        times: ``Float[Tensor, "images"]``, equal within a prompt.
        encoded: name → tensor with a row for each prompt.
        crops: ``Int[Tensor, "images 6"]``; see :meth:`TrainableFamily.predict`.
        owner: ``Int[Tensor, "images"]``: the prompt, 0 … prompts − 1, that an image is of.
        labels: of the prompts' images.
    """

    latents: Tensor
    noise: Tensor
    times: Tensor
    encoded: dict[str, Tensor]
    crops: Tensor
    owner: Tensor
    labels: Labels

    def to(self, device: Any) -> Self:
        """The same on ``device``."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """The same in memory from which an accelerator copies while it works."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, act: Callable[[Tensor], Tensor]) -> Self:
        plain = {
            name: act(getattr(self, name))
            for name in ("latents", "noise", "times", "crops", "owner")
        }
        encoded = {name: act(value) for name, value in self.encoded.items()}
        labels = Labels(*(act(getattr(self.labels, field.name)) for field in fields(Labels)))
        return replace(self, **plain, encoded=encoded, labels=labels)

    def by_prompt(self, values: Tensor) -> Tensor:
        """Values of images, ``Float[Tensor, "images"]``, as ``"prompts k"``, 0 elsewhere."""
        table = values.new_zeros(self.labels.present.shape)
        return table.masked_scatter(self.labels.present, values)
