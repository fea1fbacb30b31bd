"""The heads that rate a feature, as the aesthetic predictor has them and others took them over."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["bending_head", "rating_head"]

WIDTHS = (1024, 128, 64, 16, 1)
"""Outputs of the layers."""


def rating_head(width: int) -> torch.nn.Module:
    """``Float[Tensor, "n width"]`` → ``Float[Tensor, "n 1"]``; on the meta device.

    Nothing bends between its layers: the whole is an affine function. Its weights have the names
    that the published files give them, from ``layers.0.weight`` on: dropout holds the other places
    of the authors' sequence.
    """
    return _in_places(_layers(width, (0, 2, 4, 6, 7)))


def bending_head(width: int) -> torch.nn.Module:
    """As :func:`rating_head`, with GELU between the layers: CycleReward's."""
    from torch import nn

    layers = _layers(width, (0, 2, 4, 6, 8))
    return _in_places({**layers, **{str(place): nn.GELU() for place in (1, 3, 5, 7)}})


def _layers(width: int, places: tuple[int, ...]) -> dict[str, torch.nn.Module]:
    from torch import nn

    layers: dict[str, nn.Module] = {}
    for place, out in zip(places, WIDTHS, strict=True):
        layers[str(place)] = nn.Linear(width, out, device="meta")
        width = out
    return layers


def _in_places(layers: dict[str, torch.nn.Module]) -> torch.nn.Module:
    from torch import nn

    ordered = OrderedDict(sorted(layers.items(), key=lambda one: int(one[0])))
    return nn.Sequential(OrderedDict(layers=nn.Sequential(ordered))).eval()
