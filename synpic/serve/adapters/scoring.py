"""Where the scores of an adapter come from: rewards in this process, or a ``synpic serve``."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from PIL import Image

from synpic.errors import RewardError
from synpic.readers.images import as_png
from synpic.score.api import OpenedReward, reward
from synpic.score.called.wires import WIRES, AskedImage, NoScore
from synpic.score.servers.address import Address
from synpic.score.servers.server import Server, ServerWords
from synpic.score.wires.synpic import TOKEN

__all__ = ["Scoring", "scoring"]

_PATIENCE = 300.0
"""Seconds for which a server that is busy or away is asked again."""

_TIMEOUT = 300.0

_SEE = "see that `synpic serve` runs there, and its log"
_AWAY = f"{_SEE}; server_url is the address alone: http://host:8080"
_HINTS = {404: "`synpic serve --reward NAME` serves it; server_url is the address alone"}


class Scoring(Protocol):
    """One reward, as an adapter asks for it. Threads may share it."""

    def score(
        self,
        prompts: Sequence[str],
        images: Sequence[Image.Image],
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[float]:
        """A score for each of n images, in float32, higher is better.

        Args:
            metadata: n objects: what each prompt asks for, where a reward reads that.

        Raises:
            RewardError: an image has no score. No number stands for it.
        """
        ...


def scoring(
    name: str | None,
    *,
    server_url: str | None = None,
    scale: float = 1.0,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Scoring:
    """A reward, opened once for all adapters of this process that ask for the same.

    Args:
        name: of a registered reward, or ``package.module:callable``; of a server's, what it was
            named there.
        server_url: of a ``synpic serve``; in this process if None. Its token, where it has one, is
            read from the environment, from ``SYNPIC_SERVE_TOKEN``.
        scale: every score is divided by it: 26 gives PickScore as Flow-GRPO trains on it. A server
            has a scale of its own, and is asked for nothing else.
        device: as torch names it; the first accelerator if None.
        options: the reward's own, as ``[rewards.NAME]`` in a recipe takes them.

    Raises:
        RewardError: no name, a scale that is not above 0, or settings of a server's reward.
        UnknownName, CheckpointError: as :func:`synpic.reward`.
    """
    if not name:
        raise RewardError(
            "no reward is named", hint='name one: reward = "hpsv2" (`synpic list rewards`)'
        )
    if not scale > 0:
        raise RewardError(f"scale is {scale}", hint="scores are divided by it: a number above 0")
    if server_url is None:
        return _local(name, scale, device, json.dumps(options or {}, sort_keys=True))
    if scale != 1 or device is not None or options:
        raise RewardError(
            f"{name} is asked of a server, and scale, device and options are its own",
            hint="give them to `synpic serve`",
        )
    return _remote(name, server_url.rstrip("/"))


@cache
def _local(name: str, scale: float, device: str | None, options: str) -> _Local:
    with _OPENING:
        return _Local(reward(name, device=device, **json.loads(options)), scale)


@cache
def _remote(name: str, server_url: str) -> _Remote:
    return _Remote(name, server_url)


_OPENING = threading.Lock()


class _Local:
    """A reward of this process: one call at a time."""

    def __init__(self, opened: OpenedReward, scale: float) -> None:
        self._opened, self._scale = opened, scale
        self._using = threading.Lock()

    def score(
        self,
        prompts: Sequence[str],
        images: Sequence[Image.Image],
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[float]:
        with self._using:
            scores = self._opened.score(prompts, images, metadata)
        return [score / self._scale for score in scores]


class _Remote:
    """A reward of a server, asked again while it is busy."""

    def __init__(self, name: str, server_url: str) -> None:
        self._name, self._wire = name, WIRES["synpic"]()
        address = Address(server_url, f"${TOKEN}", timeout=_TIMEOUT, patience=_PATIENCE)
        # A proxy of the environment is meant for other hosts than a reward server's.
        self._server = Server(
            address.without(self._wire.path), ServerWords(name, _AWAY, _HINTS), 1, proxies=False
        )

    def score(
        self,
        prompts: Sequence[str],
        images: Sequence[Image.Image],
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[float]:
        asked = [
            AskedImage(prompt, as_png(image), json.dumps(None if row is None else dict(row)))
            for prompt, image, row in zip(
                prompts, images, metadata or [None] * len(images), strict=True
            )
        ]
        try:
            found = self._server.ask(self._wire.scores(self._name, asked))
        except ValueError as error:
            raise RewardError(f"{self._name}: {error}", hint=_SEE) from error
        for number, one in enumerate(found):
            if isinstance(one, NoScore):
                raise RewardError(f"image {number}: {one.reason}", hint=one.hint)
        return [one for one in found if not isinstance(one, NoScore)]
