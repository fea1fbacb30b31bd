"""A world, a family and rewards small enough to test loops with; real ones are tested beside."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL.Image import Image

from synpic.errors import DeviceLost
from synpic.recipe.settings import ModelSettings
from synpic.score.reward import RewardInfo

SIDE = 8


def world(*, count: int, seed: int, split: str) -> Iterable[dict[str, str]]:
    return [{"prompt": f"prompt {seed}-{i}", "split": split} for i in range(count)]


class Painter:
    """Draws noise from seeds. Its ``call`` settings make it slow or make it fail."""

    def __init__(
        self, settings: ModelSettings, location: str, commit: str | None, device: str
    ) -> None:
        self.settings = settings
        self.calls: list[int] = []

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], width: int | None, height: int | None
    ) -> np.ndarray:
        asked = self.settings.call
        time.sleep(asked.get("sleep", 0.0))
        if len(prompts) > asked.get("memory", 64):
            raise MemoryError("out of memory")
        if any(word in prompt for prompt in prompts for word in asked.get("refuse", [])):
            raise ValueError("this prompt is refused")
        shape = (height or SIDE, width or SIDE, 3)
        images = np.stack([np.random.default_rng(seed).random(shape, np.float32) for seed in seeds])
        images += 0.001 * (self.settings.steps or 0)
        for image, prompt in zip(images, prompts, strict=True):
            if any(word in prompt for word in asked.get("nan", [])):
                image[0, 0, 0] = np.nan
        return images


class Frugal(Painter):
    """Can do with less memory: ``rooms`` is how many images there is room for, step by step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rooms = list(self.settings.call["rooms"])
        self.expected: list[tuple[str, ...]] = []
        self.note: str | None = None

    def expect(self, groups: Sequence[Sequence[str]]) -> None:
        self.expected = [tuple(group) for group in groups]

    def make_room(self) -> bool:
        if len(self.rooms) == 1:
            return False
        del self.rooms[0]
        self.note = "with less"
        return True

    def draw(self, prompts: Sequence[str], *rest: Any) -> np.ndarray:
        self.calls.append(len(prompts))
        if len(prompts) > self.rooms[0]:
            raise MemoryError("out of memory")
        return super().draw(prompts, *rest)


class Raises(Painter):
    def __init__(self, *arguments: object) -> None:
        raise FileNotFoundError("no weights here")


class Grey(Painter):
    def draw(self, *arguments: object) -> np.ndarray:
        return super().draw(*arguments)[..., :1]  # type: ignore[arg-type]


class Bytes(Painter):
    def draw(self, *arguments: object) -> np.ndarray:
        return (super().draw(*arguments) * 255).astype(np.uint8)  # type: ignore[arg-type]


class Bright(Painter):
    def draw(self, *arguments: object) -> np.ndarray:
        return super().draw(*arguments) * 255  # type: ignore[arg-type]


class TooFew(Painter):
    def draw(self, prompts: Sequence[str], *rest: object) -> np.ndarray:
        drawn = super().draw(prompts, *rest)  # type: ignore[arg-type]
        return drawn[:3] if len(prompts) > 1 else drawn[:0]


def redness(prompt: str, image: Image) -> float:
    return float(np.asarray(image)[..., 0].mean())


def blueness(prompt: str, image: Image) -> float:
    return float(np.asarray(image)[..., 2].mean())


def slow_redness(prompt: str, image: Image) -> float:
    time.sleep(0.01)
    return redness(prompt, image)


def loses_device(prompt: str, image: Image) -> float:
    raise DeviceLost("the device is lost to this process: an ECC error", hint="start again")


def constant(prompt: str, image: Image) -> float:
    return 1.0


def nan(prompt: str, image: Image) -> float:
    return float("nan")


def infinite(prompt: str, image: Image) -> float:
    return 1e300


def picky(prompt: str, image: Image, hates: str = "prompt 0-3") -> float:
    if prompt == hates:
        raise ValueError("I will not look at this")
    return redness(prompt, image)


def broken(prompt: str, image: Image) -> float:
    raise RuntimeError("the tower fell")


def often_picky(prompt: str, image: Image) -> float:
    if prompt.endswith(("3", "7")):
        raise ValueError("I will not look at this")
    return redness(prompt, image)


def redder(prompt: str, a: Image, b: Image, sharpness: float = 20.0) -> float:
    ahead = (redness(prompt, a) - redness(prompt, b)) / 255
    return float(1 / (1 + np.exp(-sharpness * ahead)))


def slow_redder(prompt: str, a: Image, b: Image) -> float:
    time.sleep(0.005)
    return redder(prompt, a, b)


def first_wins(prompt: str, a: Image, b: Image) -> float:
    return 1.0


def rarely_a_number(prompt: str, a: Image, b: Image, gives: float = float("nan")) -> float:
    return gives if prompt.endswith("3") else redder(prompt, a, b)


def draws_on(prompt: str, a: Image, b: Image) -> float:
    found = redder(prompt, a, b)
    for image in (a, b):
        image.paste((255, 0, 0), (0, 0, *image.size))
    return found


partial = functools.partial(redness)


class NeedsPackage:
    info = RewardInfo(summary="needs what is not there")

    def __init__(self) -> None:
        import no_such_package  # noqa: F401

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        return [0.0 for _ in images]


class Words:
    info = RewardInfo(summary="answers in words")

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[str]:
        return ["good" for _ in images]


class Forgetful:
    """Has memory for four images, and remembers what it was asked."""

    info = RewardInfo(summary="has memory for four images")
    asked: ClassVar[list[int]] = []

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        self.asked.append(len(images))
        if len(images) > 4:
            raise MemoryError("out of memory")
        return [redness(*pair) for pair in zip(prompts, images, strict=True)]
