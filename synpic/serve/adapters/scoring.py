"""Where the scores of an adapter come from: rewards in this process, or a ``synpic serve``."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import httpx2
from PIL import Image
from pydantic import ValidationError

from synpic.errors import RewardError
from synpic.readers.images import as_png
from synpic.score.api import OpenedReward, reward
from synpic.score.wires.synpic import TOKEN, ScoreAnswer, ScoreRequest

__all__ = ["Scoring", "scoring"]

_PATIENCE = 300.0
"""Seconds for which a server that is busy or away is asked again."""

_TIMEOUT = 300.0
_BUSY = frozenset({429, 502, 503, 504})


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
        self._name, self._url = name, server_url
        # A proxy of the environment is meant for other hosts than a reward server's.
        self._client = httpx2.Client(timeout=_TIMEOUT, trust_env=False)

    def score(
        self,
        prompts: Sequence[str],
        images: Sequence[Image.Image],
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[float]:
        request = ScoreRequest(
            prompts=list(prompts),
            images=[base64.b64encode(as_png(image)).decode() for image in images],
            rewards=[self._name],
            metadata=None
            if metadata is None
            else [None if one is None else dict(one) for one in metadata],
        )
        answer = self._answer(request.model_dump_json().encode())
        for error in answer.errors:
            raise RewardError(f"image {error.item}: {error.message}", hint=error.hint)
        scores = answer.scores.get(self._name, [])
        numbers = [one for one in scores if one is not None]
        if len(numbers) != len(images):
            raise RewardError(f"{self._url} sent {len(numbers)} scores for {len(images)} images")
        return numbers

    def _answer(self, body: bytes) -> ScoreAnswer:
        until = time.monotonic() + _PATIENCE
        headers = {"Content-Type": "application/json"}
        if token := os.environ.get(TOKEN):
            headers["Authorization"] = f"Bearer {token}"
        tries = 0
        while True:
            tries += 1
            wait = min(0.5 * 2**tries, 30.0)
            try:
                got = self._client.post(f"{self._url}/v1/score", content=body, headers=headers)
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if got.status_code == 200:
                    return self._read(got.content)
                problem = f"status {got.status_code}: {_words(got)}"
                if got.status_code not in _BUSY:
                    raise RewardError(f"{self._url} refuses a request: {problem}")
                asked = got.headers.get("Retry-After", "")
                wait = float(asked) if asked.isdecimal() else wait
            if time.monotonic() + wait > until:
                raise RewardError(
                    f"{self._url} does not score: {problem}",
                    hint="see that `synpic serve` runs there, and its log",
                )
            time.sleep(wait)

    def _read(self, content: bytes) -> ScoreAnswer:
        try:
            return ScoreAnswer.model_validate_json(content)
        except ValidationError as error:
            raise RewardError(
                f"{self._url} sent an answer that is none of `synpic serve`",
                hint="server_url is the address alone: http://host:8080",
            ) from error


def _words(got: httpx2.Response) -> str:
    return got.text[:500] or "no message"
