"""Metrics of training: sums that add up over batches and processes, divided only at the end.

A mean of the means of batches is wrong where batches differ in pairs or images. So a batch gives
its sums and counts, in one tensor, which adds up over accumulated batches and over processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from synpic.train.batch import Labels
from synpic.train.objectives import preferred

__all__ = ["Metrics", "kendall", "measure", "pair_accuracy"]


def pair_accuracy(s: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    """How many pairs the model orders as the ranking does, and of how many: two scalars.

    A pair i ≻ j is right where s_i < s_j, and half right where they are equal, so that a model that
    is still its reference is right in half of them.

    Args:
        s: ``Float[Tensor, "prompts k"]``, lower is better.
        labels: of the prompts' images.
    """
    pairs = preferred(labels)
    right = (_signs(s, labels) + 1) / 2
    return (right * pairs).sum(), pairs.sum().to(s.dtype)


def kendall(s: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    """The sum of Kendall's τ-b over prompts that have a preference, and their number: two scalars.

    τ-b = (agreeing pairs − disagreeing pairs) / √(pairs untied in the ranking · pairs untied in s),
    in −1 … 1, is taken of each prompt: 1 where lower s goes with better rank throughout. Where all
    s of a prompt are equal it has no value, and counts as 0.

    Args: as of :func:`pair_accuracy`.

    Source: Kendall, The treatment of ties in ranking problems (Biometrika, 1945).
    """
    pairs = preferred(labels)
    signs = _signs(s, labels)
    ranked = pairs.sum((1, 2))
    ordered = signs.abs().sum((1, 2)) / 2
    scale = (ranked * ordered).sqrt()
    tau = (signs * pairs).sum((1, 2)) / scale.masked_fill(scale == 0, 1)
    return tau.sum(), (ranked > 0).sum().to(s.dtype)


@dataclass(frozen=True)
class Metrics:
    """Figures of one batch or many. Those that nothing was counted for are None.

    Args:
        sums: ``Float[Tensor, "10"]``, on the batch's device: for loss, error, reference's error,
            accuracy and τ-b, a sum and a count. Where it is not given, there is nothing yet.
    """

    sums: Tensor = field(default_factory=lambda: torch.zeros(()))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.sums + other.sums)

    def reduced(self, accelerator: Any) -> Self:
        """Those of all processes together."""
        return type(self)(accelerator.reduce(self.sums, "sum"))

    @cached_property
    def means(self) -> dict[str, float]:
        """The figures there are, by name. The first to ask waits for the device, once."""
        rows = self.sums.cpu().double().expand(2 * len(_FIGURES)).reshape(-1, 2).tolist()
        named = zip(_FIGURES, rows, strict=True)
        return {name: total / count for name, (total, count) in named if count}

    @property
    def loss(self) -> float:
        """Over prompts."""
        return self.means["loss"]

    @property
    def error(self) -> float:
        """Over images: mean over elements of (target − prediction)²."""
        return self.means["error"]

    @property
    def reference_error(self) -> float | None:
        """The same of the reference."""
        return self.means.get("reference_error")

    @property
    def accuracy(self) -> float | None:
        """Over pairs, see :func:`pair_accuracy`."""
        return self.means.get("accuracy")

    @property
    def kendall(self) -> float | None:
        """Over prompts that have a preference, see :func:`kendall`."""
        return self.means.get("kendall")

    def in_words(self) -> str:
        """The figures there are, in one short line."""
        return ", ".join(
            f"{_WORDS[name]} {value:{'.0%' if name == 'accuracy' else '.4g'}}"
            for name, value in self.means.items()
        )


@torch.no_grad()
def measure(
    loss: Tensor,
    error: Tensor,
    reference_error: Tensor | None,
    labels: Labels,
    s: Tensor | None = None,
) -> Metrics:
    """The figures of one batch, without a wait for the device.

    Args:
        loss: ``Float[Tensor, "prompts"]``.
        error: ``Float[Tensor, "prompts k"]``, mean over elements of (target − prediction)².
        reference_error: the same of the reference; None where it was not run, and then there is
            no figure that compares with it.
        labels: of the prompts' images.
        s: error − reference_error, where it is known better than by subtraction.
    """
    images = labels.present.sum()
    columns = [loss.sum(), loss.new_full((), len(loss)), _sum(error, labels), images]
    if reference_error is None:
        columns += [loss.new_zeros(())] * 6
    else:
        s = error - reference_error if s is None else s
        columns += [_sum(reference_error, labels), images]
        columns += [*pair_accuracy(s, labels), *kendall(s, labels)]
    return Metrics(torch.stack([column.to(loss.dtype) for column in columns]))


_WORDS = {
    "loss": "loss",
    "error": "error",
    "reference_error": "the reference's",
    "accuracy": "pairs right",
    "kendall": "Kendall's τ",
}
_FIGURES = tuple(_WORDS)


def _sum(values: Tensor, labels: Labels) -> Tensor:
    return values.masked_fill(~labels.present, 0).sum()


def _signs(s: Tensor, labels: Labels) -> Tensor:
    """1 at i, j where s_i < s_j, −1 where s_i > s_j, else 0: ``Float[Tensor, "prompts k k"]``."""
    both = labels.present[:, :, None] & labels.present[:, None, :]
    return torch.sign(s[:, None, :] - s[:, :, None]).masked_fill(~both, 0)
