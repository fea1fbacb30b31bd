"""The head that rates a feature, as the aesthetic predictor has it and ImageReward took it over."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["rating_head"]

WIDTHS = (1024, 128, 64, 16, 1)
"""Outputs of its layers. Nothing bends between them: the whole is an affine function."""

PLACES = (0, 2, 4, 6, 7)
"""Their numbers in the authors' sequence, where dropout holds the others."""


def rating_head(width: int) -> torch.nn.Module:
    """``Float[Tensor, "n width"]`` → ``Float[Tensor, "n 1"]``; on the meta device.

    Its weights have the names that the published files give them, from ``layers.0.weight`` on.
    """
    from torch import nn

    layers = OrderedDict[str, nn.Module]()
    for place, out in zip(PLACES, WIDTHS, strict=True):
        layers[str(place)] = nn.Linear(width, out, device="meta")
        width = out
    return nn.Sequential(OrderedDict(layers=nn.Sequential(layers))).eval()
