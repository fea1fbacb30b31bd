"""A port that runs in any environment: how bright a picture is, or how red."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Bright:
    def __init__(self, root: str) -> None:
        self.root = root

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        return [mean(image.convert("L")) for image in images]


class Red(Bright):
    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        return [mean(image.getchannel("R")) for image in images]


class TimesTen(Bright):
    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        return [10 * mean(image.convert("L")) for image in images]


class BestOfBatch(Bright):
    """A score that depends on what shares the batch."""

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        return [mean(image.convert("L")) / len(images) for image in images]


class Failing(Bright):
    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        raise RuntimeError("no such weights")


def mean(grey: Any) -> float:
    shades = grey.histogram()
    return sum(shade * count for shade, count in enumerate(shades)) / sum(shades)
