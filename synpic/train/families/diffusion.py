"""Diffusion over a schedule of discrete timesteps (Ho et al., arXiv 2006.11239)."""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.families.family import TrainableFamily
from synpic.train.settings import NoiseSettings

__all__ = ["Diffusion"]


class Diffusion(TrainableFamily):
    """A family whose denoiser predicts the noise ε, or v (Salimans & Ho, arXiv 2202.00512).

    At timestep t an image is ``α_t · latents + σ_t · noise`` with α_t² + σ_t² = 1, and v is
    ``α_t · noise − σ_t · latents``. The schedule, which of the two is predicted, and whether the
    last timestep is nothing but noise (``rescale_betas_zero_snr``) are as the checkpoint's
    scheduler and the recipe's ``scheduler_options`` say, whatever the scheduler's class: samplers
    differ, the noise they undo does not. Timesteps are drawn uniformly from all there are, 0 … 999
    where there are a thousand.
    """

    def __init__(
        self,
        settings: ModelSettings,
        scheduler: Mapping[str, Any],
        noise: NoiseSettings,
        shape: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(settings, scheduler, noise, shape)
        if noise.density == "logit-normal":
            raise TrainingError(
                'noise.density: "logit-normal" is for rectified flow; timesteps of '
                f"{settings.checkpoint} are drawn uniformly",
                hint='leave it out, or set density = "uniform"',
            )
        for key in ("mean", "std", "shift"):
            if getattr(noise, key) is not None:
                raise TrainingError(
                    f"noise.{key}: it is for rectified flow, and {settings.checkpoint} is none",
                    hint="leave it out",
                )
        self._schedule = _schedule(
            {**scheduler, **settings.scheduler_options}, str(settings.checkpoint)
        )

    def sample_times(self, generator: torch.Generator, count: int) -> Tensor:
        """See :meth:`TrainableFamily.sample_times`: timesteps, whole numbers."""
        steps = len(self._schedule.alphas_cumprod)
        return torch.randint(0, steps, (count,), generator=generator).float()

    def add_noise(self, latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`TrainableFamily.add_noise`."""
        # The schedule takes on the dtype of the images, and 1 − α² of early steps is 0 in bfloat16.
        x, e, steps = latents.float(), noise.float(), times.long()
        noisy, target = self._schedule.add_noise(x, e, steps), e
        if self._schedule.config.prediction_type == "v_prediction":
            target = self._schedule.get_velocity(x, e, steps)
        return noisy.to(latents.dtype), target.to(latents.dtype)


def _schedule(scheduler: Mapping[str, Any], checkpoint: str) -> Any:
    """The schedule of noise that a checkpoint's scheduler undoes."""
    import diffusers

    name = str(scheduler.get("_class_name"))
    kind = getattr(diffusers, name, None)
    # A file may leave out what is as its class has it, and classes differ. What was left out is
    # marked in the configuration, and from_config would replace it by DDPMScheduler's.
    config = dict(kind.from_config(dict(scheduler)).config) if kind else {}
    config.pop("_use_default_values", None)
    if "beta_schedule" not in config:
        raise TrainingError(
            f"{checkpoint}: its scheduler, {name}, says no schedule of noise (beta_schedule)",
            hint="train from a checkpoint with its own scheduler, as DDIMScheduler",
        )
    what = "flow" if config.get("use_flow_sigmas") else config["prediction_type"]
    if what not in ("epsilon", "v_prediction"):
        raise TrainingError(
            f"{checkpoint}: it predicts {what!r} (its scheduler's prediction_type); what can be "
            "trained predicts 'epsilon' or 'v_prediction'",
            hint="train another checkpoint",
        )
    return diffusers.DDPMScheduler.from_config(config)
