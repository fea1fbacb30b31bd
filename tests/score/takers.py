"""Rewards in two steps, small enough to count what they are asked; registered by their address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from synpic.score.reward import RewardInfo
from synpic.score.two_stage import TwoStageReward


class Channel(TwoStageReward):
    """The mean of a channel; counts images made ready."""

    info = RewardInfo(summary="the mean of a channel")
    ready: ClassVar[list[str]] = []
    judged: ClassVar[list[tuple[int, int]]] = []

    def __init__(self, channel: int = 0, size: int = 8) -> None:
        self.channel = channel
        self.preprocessing = ("whole", size)

    def pixels(self, image: Image) -> Tensor:
        self.ready.append(str(self.preprocessing))
        return torch.from_numpy(np.asarray(image, np.float32).transpose(2, 0, 1).copy())

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        self.judged.append((self.channel, len(prompts)))
        means: list[float] = pixels[:, self.channel].mean((1, 2)).tolist()
        return means


class Picky(Channel):
    """Cannot make bright images ready."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocessing = ("picky", 8)

    def pixels(self, image: Image) -> Tensor:
        ready = super().pixels(image)
        if ready[0].mean() > 140:
            raise ValueError("too bright for me")
        return ready


class Large(Channel):
    """Opens only where nothing else is open."""

    def __init__(self) -> None:
        super().__init__(1)
        if Channel.judged == []:  # nobody has judged anything: the others are waiting, opened
            raise RuntimeError("CUDA out of memory. Tried to allocate 40 GiB")


class Hungry(Channel):
    """Has room for nothing until everyone else has ended."""

    others_left: ClassVar[int] = 0

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        if sum(channel == 0 for channel, _ in Channel.judged) < self.others_left:
            raise MemoryError("out of memory")
        return super().judge(prompts, pixels)


class Scripted(Channel):
    """The third channel, but for what :attr:`script` says: what to raise or say, call by call."""

    script: ClassVar[list[Exception | float | None]] = []

    def __init__(self) -> None:
        super().__init__(2)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        says = self.script.pop(0) if self.script else None
        if isinstance(says, Exception):
            raise says
        found = super().judge(prompts, pixels)
        return found if says is None else [says] * len(prompts)


class Exits(Channel):
    """Leaves the program where it should make an image ready."""

    def __init__(self) -> None:
        super().__init__(2)
        self.preprocessing = ("exits",)

    def pixels(self, image: Image) -> Tensor:
        raise SystemExit(3)


class Uneven(Channel):
    """Makes some images ready in another size."""

    def __init__(self) -> None:
        super().__init__(2)
        self.preprocessing = ("uneven",)

    def pixels(self, image: Image) -> Tensor:
        ready = super().pixels(image)
        return ready[:, :, :7] if int(ready[0, 0, 0]) % 2 else ready


class Arrays(Channel):
    """Gives arrays of numpy in place of tensors."""

    def __init__(self) -> None:
        super().__init__(2)
        self.preprocessing = ("arrays",)

    def pixels(self, image: Image) -> Any:
        return super().pixels(image).numpy()


def shrinking(prompt: str, image: Image) -> float:
    """Changes the image that it is given."""
    image.thumbnail((2, 2))
    return float(np.asarray(image)[..., 0].mean())


def contrast(prompt: str, image: Image) -> float:
    return float(np.asarray(image)[..., 1].std())
