"""Rectified flow (Esser et al., arXiv 2403.03206): straight lines from images to noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.families.family import TrainableFamily
from synpic.train.settings import NoiseSettings

__all__ = ["Flow"]


class Flow(TrainableFamily):
    """A family whose denoiser predicts the velocity ``noise − latents``.

    At noise level σ an image is ``(1 − σ) · latents + σ · noise``; times are σ times the
    scheduler's ``num_train_timesteps``, as the denoiser gets them.

    σ is drawn from the paper's logit-normal density (its §3.1: σ = sigmoid(n), n normal; mean 0
    and standard deviation 1, its best, by default; a positive mean is towards noise) or
    uniformly, and then shifted as the scheduler shifts when it draws (its §5.3.2):
    ``shift · σ / (1 + (shift − 1) · σ)``. What the recipe's ``scheduler_options`` say
    of the scheduler counts here too.
    """

    def __init__(
        self,
        settings: ModelSettings,
        scheduler: Mapping[str, Any],
        noise: NoiseSettings,
        shape: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(settings, scheduler, noise, shape)
        scheduler = {**scheduler, **settings.scheduler_options}
        if not str(scheduler.get("_class_name")).startswith("FlowMatch"):
            raise TrainingError(
                f"{settings.checkpoint}: its scheduler, {scheduler.get('_class_name')}, is none of "
                "rectified flow",
                hint="train from a checkpoint with its own FlowMatchEulerDiscreteScheduler",
            )
        if scheduler.get("use_dynamic_shifting") and noise.shift is None:
            raise TrainingError(
                f"noise.shift: {settings.checkpoint} shifts by the size of the image "
                "(use_dynamic_shifting), and training takes one shift for all",
                hint="give noise.shift; 3.0 is what SD3 uses at 1024x1024",
            )
        self._uniform = noise.density == "uniform"
        for key in ("mean", "std"):
            if self._uniform and getattr(noise, key) is not None:
                raise TrainingError(
                    f"noise.{key}: the uniform density has none",
                    hint='leave it out, or set density = "logit-normal"',
                )
        self._mean = 0.0 if noise.mean is None else noise.mean
        self._std = 1.0 if noise.std is None else noise.std
        self._shift = float(noise.shift or scheduler.get("shift", 1.0))
        self._times = int(scheduler.get("num_train_timesteps", 1000))

    def sample_times(self, generator: torch.Generator, count: int) -> Tensor:
        """See :meth:`TrainableFamily.sample_times`: σ · ``num_train_timesteps``."""
        if self._uniform:
            level = torch.rand(count, generator=generator)
        else:
            level = torch.normal(self._mean, self._std, (count,), generator=generator).sigmoid()
        return self._times * self._shift * level / (1 + (self._shift - 1) * level)

    def add_noise(self, latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`TrainableFamily.add_noise`."""
        level = (times / self._times)[:, None, None, None]
        noisy = (1 - level) * latents + level * noise
        return noisy.to(latents.dtype), noise - latents
