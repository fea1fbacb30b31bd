"""A reward in two steps: pixels made ready on the CPU, then judged on the device.

The loop makes pixels ready ahead of the device, in threads, and only once for all rewards that
want the same tensor. A reward that is not cut this way is given whole images instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from PIL.Image import Image

from synpic.score.reward import RewardInfo

__all__ = ["TwoStageReward"]


class TwoStageReward(ABC):
    """What :meth:`score` does, in two steps; one image's score depends on it and its prompt alone.

    Attributes:
        preprocessing: equal for two rewards if, and only if, their :meth:`pixels` give equal
            tensors for every image.
    """

    info: ClassVar[RewardInfo]
    preprocessing: Hashable

    @abstractmethod
    def pixels(self, image: Image) -> Any:
        """An RGB image made ready, ``Float[Tensor, "3 height width"]``, float32 on the CPU.

        Height and width are the same for every image, unless the reward has a
        :meth:`side_by_side` of its own. Called from several threads at once.
        """

    def side_by_side(self, pixels: Sequence[Any]) -> Any:
        """What :meth:`judge` takes of several images: one tensor, ``Float[Tensor, "n …"]``.

        What it gives can be sliced, and given to it again.
        """
        import torch

        return torch.stack(list(pixels))

    @abstractmethod
    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Scores of n prompts and ``Float[Tensor, "n 3 height width"]``; moves them itself."""

    def ahead(self, prompts: Sequence[str], pixels: Any) -> None:  # noqa: B027 - a hook
        """Learn what will be judged next. Called in another thread, while :meth:`judge` is at work.

        For a reward that waits for others: it may begin to ask them.
        """

    def close(self) -> None:  # noqa: B027 - a hook
        """Let go of what the reward holds besides memory; called once, at the end."""

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """Scores of n prompts and n RGB images, in their order."""
        if not images:
            return []
        return self.judge(prompts, self.side_by_side([self.pixels(image) for image in images]))
