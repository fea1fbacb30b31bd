"""Rewards in two steps, small enough to count what they are asked; registered by their address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from synpic.score.reward import RewardInfo
from synpic.score.staged import StagedReward


class Channel(StagedReward):
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

    open_now: ClassVar[int] = 0

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
