"""Rewards on anything, without a workspace.

    synpic.reward("clip_score").score("a cat on a mat", ["one.png", "two.png"])

The same code, pixels and rounding as `synpic score`; nothing is locked, recorded or kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from PIL.Image import Image
from tqdm.auto import tqdm

from synpic.engine.attempt import Attempts, Failed
from synpic.engine.threads import pool
from synpic.errors import RewardError
from synpic.readers.display import visible
from synpic.readers.images import as_rgb, decode
from synpic.recipe import RewardSettings
from synpic.score.judged import AskedPrompt
from synpic.score.precision import full_float32
from synpic.score.reward import Reward, RewardInfo
from synpic.score.score_checks import check_finite
from synpic.score.two_stage import TwoStageReward
from synpic.score.unlocked import open_unlocked

__all__ = ["OpenedReward", "Picture", "reward"]

Picture: TypeAlias = Image | str | os.PathLike[str] | bytes
"""An image of Pillow's, the path of a file, or the bytes of one."""


def reward(
    name: str,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    device: str | None = None,
    batch_size: int = 32,
    **options: Any,
) -> OpenedReward:
    """Open a reward, to be called as often as one likes.

    Args:
        name: of a registered reward (`synpic list rewards`), or ``package.module:callable``.
        checkpoint: a folder, relative to the working directory, or a repository on the Hub; the
            one that the reward declares if None.
        revision: branch, tag or commit of a repository; its default branch, as it is today, if
            None.
        device: as torch names it; the first accelerator if None.
        batch_size: images at a time; halved, and remembered, where memory is short.
        options: the reward's own, as in a recipe; where a companion is, as ``owner/name@revision``
            or a folder.

    Raises:
        UnknownName: nothing is called so.
        CheckpointError: weights are nowhere, or cannot be reached.
        RewardError: it takes no such option, or cannot be opened.
    """
    if batch_size < 1:
        raise RewardError(f"batch_size is {batch_size}", hint="give 1 or more")
    options = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in options.items()}
    settings = RewardSettings.model_construct(
        reward=name,
        checkpoint=None if checkpoint is None else os.fspath(checkpoint),
        revision=revision,
        options=options,
        batch_size=batch_size,
    )
    return OpenedReward(name, open_unlocked(name, settings, device), batch_size)


class OpenedReward:
    """A reward that has its weights.

    Args:
        name: what it is called in messages.
        opened: the reward.
        batch_size: images at a time, at most.
    """

    def __init__(self, name: str, opened: Reward, batch_size: int) -> None:
        self.name = name
        self._reward, self._batch_size = opened, batch_size
        self._attempts = Attempts(self._judge)

    def __repr__(self) -> str:
        said = f": {self.info.summary}" if self.info.summary else ""
        return f"OpenedReward({self.name!r}{said})"

    @property
    def info(self) -> RewardInfo:
        """What it declares of itself."""
        return self._reward.info

    @property
    def opened(self) -> Reward:
        """The reward itself."""
        return self._reward

    def score(
        self,
        prompts: str | Sequence[str],
        images: Picture | Iterable[Picture],
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        progress: bool = False,
    ) -> list[float]:
        """A score for each image, in float32, higher is better; comparable within a prompt only.

        Args:
            prompts: one for each image, or one for all of them; read as they are.
            images: of any size and mode, or one of them; transparency is laid over white.
            metadata: what the prompt of each image asks for, for a judge as a reward.
            progress: draw a bar, as a widget in a notebook, elsewhere on stderr.

        Raises:
            RewardError: the first image that cannot be read or scored, by its number from 0; or a
                score that is no finite number.
        """
        pictures = (
            [images] if isinstance(images, Image | str | os.PathLike | bytes) else list(images)
        )
        texts = [prompts] * len(pictures) if isinstance(prompts, str) else list(prompts)
        if len(texts) != len(pictures):
            raise RewardError(
                f"{len(texts)} prompts for {len(pictures)} images",
                hint="give one prompt for each image, or one string for all of them",
            )
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise RewardError(
                    f"prompt {number} is a {type(text).__name__}", hint="a prompt is a string"
                )
            if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
                raise RewardError(
                    f"prompt {number} is no text: it holds half of a character",
                    hint="it was cut or read wrongly; read it as UTF-8 again",
                )
        if metadata is not None:
            texts = _with_metadata(texts, metadata)
        pairs = list(enumerate(texts))
        cuts = range(0, len(pairs), self._batch_size)
        batches = [*(pairs[cut : cut + self._batch_size] for cut in cuts), []]
        scores: list[float] = []
        with (
            ThreadPoolExecutor(pool(8), "ready") as threads,
            tqdm(
                total=len(pairs), desc=visible(self.name), unit=" images", disable=not progress
            ) as bar,
        ):
            # One batch is made ready while another is judged.
            soon = self._soon(threads, pictures, batches[0])
            for batch, following in pairwise(batches):
                ready = [future.result() for future in soon]
                soon = self._soon(threads, pictures, following)
                scores += self._scored(batch, ready)
                bar.update(len(batch))
        return scores

    def _soon(
        self,
        threads: ThreadPoolExecutor,
        pictures: Sequence[Picture],
        batch: Sequence[tuple[int, str]],
    ) -> list[Future[Any]]:
        """What the reward is given of these images, in the making; of equal ones once."""
        made: dict[int, Future[Any]] = {}
        for number, _ in batch:
            picture = pictures[number]
            if id(picture) not in made:  # Pillow reads a file late, and not in two threads at once
                made[id(picture)] = threads.submit(self._ready, picture, number)
        return [made[id(pictures[number])] for number, _ in batch]

    def _ready(self, picture: Picture, number: int) -> Any:
        try:
            image = _image(picture)
        except (OSError, TypeError, ValueError) as error:
            name = f" ({os.fspath(picture)})" if isinstance(picture, str | os.PathLike) else ""
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise RewardError(
                f"image {number}{name}: {reason}", hint="leave it out, or put a whole one there"
            ) from error
        if not isinstance(self._reward, TwoStageReward):
            return image
        try:
            return self._reward.pixels(image)
        except (Exception, SystemExit) as error:
            # A reward may be anyone's code.
            raise RewardError(
                f"image {number}: {self.name} cannot make it ready: "
                f"{type(error).__name__}: {error}",
                hint="leave it out",
            ) from error

    def _scored(self, batch: Sequence[tuple[int, str]], ready: Sequence[Any]) -> list[float]:
        items = [
            _Ready(number, prompt, image)
            for (number, prompt), image in zip(batch, ready, strict=True)
        ]
        scores = []
        for end in self._attempts.run(items):
            if isinstance(end, Failed):
                raise RewardError(
                    f"image {end.item.number}: {self.name} cannot score it: {end.reason}",
                    hint="this device has no memory left for one image alone"
                    if end.starved
                    else "leave it out",
                )
            scores.append(end.result)
        return scores

    def _judge(self, items: Sequence[_Ready]) -> list[float]:
        prompts, images = [item.prompt for item in items], [item.image for item in items]
        with full_float32():
            if isinstance(self._reward, TwoStageReward):
                ready = self._reward.side_by_side(images)
                given: Sequence[float] = self._reward.judge(prompts, ready)
            else:
                given = self._reward.score(prompts, images)
        return check_finite(self.name, [f"#{item.number}" for item in items], given)


@dataclass(frozen=True)
class _Ready:
    """An image as the reward takes it, with its place among those that were given."""

    number: int
    prompt: str
    image: Any


def _with_metadata(texts: Sequence[str], metadata: Sequence[Mapping[str, Any] | None]) -> list[str]:
    if len(metadata) != len(texts):
        raise RewardError(
            f"metadata of {len(metadata)} prompts for {len(texts)} images",
            hint="give one object, or None, for each image",
        )
    return [AskedPrompt(text, one or {}) for text, one in zip(texts, metadata, strict=True)]


def _image(picture: Picture) -> Image:
    """As a reward sees it."""
    if isinstance(picture, Image):
        return as_rgb(picture)
    if isinstance(picture, bytes):
        return decode(picture)
    if isinstance(picture, str | os.PathLike):
        return decode(Path(picture).read_bytes())
    raise TypeError(f"a {type(picture).__name__} is no image of Pillow's, no path and no bytes")
