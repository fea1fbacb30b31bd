"""A reward that is served: images made ready for it, and batches of them scored one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from synpic.engine.attempt import Attempts, Done
from synpic.errors import DeviceLost, RewardError, SynpicError
from synpic.score.judged import FormScore
from synpic.score.precision import full_float32
from synpic.score.prefetch import WHOLE_IMAGE, Broken
from synpic.score.reward import HoldsSomething, Reward
from synpic.score.score_checks import check_finite
from synpic.score.two_stage import TwoStageReward
from synpic.score.wires.synpic import RewardDescription
from synpic.serve.asking import Scored, Unscored

__all__ = ["BatchImage", "ServedReward", "makes_of"]


@dataclass(frozen=True)
class BatchImage:
    """An image with its prompt, as a reward takes it.

    Args:
        number: its place in its request, for messages.
        image: what the reward's :attr:`ServedReward.make` gave; or why there is none.
    """

    number: int
    prompt: str
    image: Any


class ServedReward:
    """An opened reward.

    Args:
        opened: the reward.
        description: what callers are shown of it.
        batch_size: images at a time, at most; halved, and remembered, where memory is short.
    """

    def __init__(self, opened: Reward, description: RewardDescription, batch_size: int) -> None:
        self._reward = opened
        self.description, self.batch_size = description, batch_size
        self._attempts = Attempts(self._judge)

    @property
    def kind(self) -> Hashable:
        """Equal for rewards that take the same of an image."""
        if isinstance(self._reward, TwoStageReward):
            return self._reward.preprocessing
        return WHOLE_IMAGE

    def make(self, image: Image) -> Any:
        """What the reward takes of an RGB image; called in any thread."""
        return self._reward.pixels(image) if isinstance(self._reward, TwoStageReward) else image

    def score(
        self,
        name: str,
        batch: Sequence[BatchImage],
        wanted: Callable[[BatchImage], bool] = lambda one: True,
    ) -> list[Scored | Unscored]:
        """An answer for each image, whatever the others are.

        Args:
            name: the reward's, for messages.
            wanted: whether an answer is still waited for: a reward that asks another server may
                take minutes to say that it is away, and is not asked in vain about each image.

        Raises:
            DeviceLost: nothing more can be scored by this process.
        """
        there = [one for one in batch if not isinstance(one.image, Broken)]
        ended: dict[int, Scored | Unscored] = dict(
            zip(map(id, there), self._whole(name, there, wanted), strict=True)
        )
        return [
            Unscored(f"{name} cannot make it ready: {one.image.reason}")
            if isinstance(one.image, Broken)
            else ended[id(one)]
            for one in batch
        ]

    def close(self) -> None:
        """Let go of what the reward holds besides memory."""
        if isinstance(self._reward, HoldsSomething):
            self._reward.close()

    def _whole(
        self, name: str, batch: Sequence[BatchImage], wanted: Callable[[BatchImage], bool]
    ) -> list[Scored | Unscored]:
        try:
            ended = self._attempts.run(batch)
        except DeviceLost:
            raise
        except SynpicError as error:
            if len(batch) == 1:
                return [Unscored(error.message, error.hint)]
            return [
                end
                for one in batch
                for end in (
                    self._whole(name, [one], wanted)
                    if wanted(one)
                    else [Unscored("its caller hung up")]
                )
            ]
        return [
            self._number(name, end.result)
            if isinstance(end, Done)
            else Unscored(
                f"{name} cannot score it: {end.reason}",
                "there is no memory left for one image alone" if end.starved else None,
            )
            for end in ended
        ]

    def _number(self, name: str, given: Any) -> Scored | Unscored:
        try:
            (value,) = check_finite(name, ["of this image"], [given])
        except RewardError as error:
            return Unscored(error.message)
        parts = given.parts if isinstance(given, FormScore) else {}
        for part, of in parts.items():
            if not math.isfinite(of):
                return Unscored(f"{name} gave {of} as {part}, which is no finite number")
        return Scored(value / self.description.scale, parts)

    def _judge(self, batch: Sequence[BatchImage]) -> list[Any]:
        prompts, images = [one.prompt for one in batch], [one.image for one in batch]
        with full_float32():
            if isinstance(self._reward, TwoStageReward):
                ready = self._reward.side_by_side(images)
                return list(self._reward.judge(prompts, ready))
            # A reward may draw on what it is given, and be asked again.
            return list(self._reward.score(prompts, [image.copy() for image in images]))


def makes_of(rewards: Mapping[str, ServedReward], names: Sequence[str]) -> dict[Hashable, Any]:
    """By kind, how an image is made ready for these rewards: once for those that take the same."""
    return {rewards[name].kind: rewards[name].make for name in reversed(names)}
