"""Optimizers by name, and the learning rate as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from synpic.errors import MissingExtra
from synpic.train.settings import OptimizerSettings

__all__ = ["check_optimizer", "open_optimizer", "rate_at"]


def check_optimizer(settings: OptimizerSettings) -> None:
    """See that the optimizer of ``settings`` is there.

    Raises:
        MissingExtra: 8-bit AdamW without bitsandbytes.
    """
    if settings.name == "adamw-8bit" and find_spec("bitsandbytes") is None:
        raise MissingExtra(
            'optimizer.name = "adamw-8bit" needs bitsandbytes', hint="pip install 'synpic[8bit]'"
        )


def open_optimizer(settings: OptimizerSettings, parameters: Iterable[Tensor]) -> Any:
    """The optimizer of ``settings`` over ``parameters``.

    Adafactor is transformers', set up as in Diffusion-DPO's code: a learning rate of one's own,
    not relative to the step and not scaled by the parameters.

    Raises:
        MissingExtra: 8-bit AdamW without bitsandbytes.
    """
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.name == "adafactor":
        from transformers.optimization import Adafactor

        return Adafactor(  # type: ignore[no-untyped-call]
            parameters, scale_parameter=False, relative_step=False, **common
        )
    if settings.name == "adamw-8bit":
        check_optimizer(settings)
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(parameters, betas=settings.betas, **common)
    # One pass over all weights: on a CPU several times as fast as a loop over them.
    return torch.optim.AdamW(parameters, betas=settings.betas, fused=True, **common)


def rate_at(step: int, steps: int, settings: OptimizerSettings) -> float:
    """The learning rate of step 0 … steps − 1."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    share = {
        "constant": 1.0,
        "linear": 1 - done,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
    }[settings.schedule]
    return settings.learning_rate * share
