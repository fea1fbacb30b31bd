"""Whether a reward says here what it should: the numbers its authors publish, and common sense.

Tests hold a reward against upstream's code with small random weights. This is for who has the real
ones: pictures that an upstream published scores of are downloaded, scored, and compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image

from synpic.score.api import OpenedReward, reward
from synpic.score.published_pictures import fetch
from synpic.score.published_scores import KNOWN, Known

__all__ = ["Check", "Compared", "Finding", "check_reward", "drawn_pictures"]

SAME = 1e-5
"""How far two computations of one score may lie apart, relative to scores above 1."""


@dataclass(frozen=True)
class Compared:
    """One published score, and ours.

    Args:
        picture: its file's name.
        options: of the reward, with which it was scored here.
        either: whether the source leaves these options open, so that others may be its own.
    """

    picture: str
    prompt: str
    expected: float
    score: float
    tolerance: float
    source: str
    options: Mapping[str, Any]
    either: bool

    @property
    def ok(self) -> bool:
        """Whether they agree."""
        return abs(self.score - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Finding:
    """One thing that holds of every reward, and whether it holds of this one."""

    text: str
    ok: bool


@dataclass(frozen=True)
class Check:
    """What was found.

    Args:
        reward: its name.
        checkpoint: what was opened; None for a reward without weights.
        compared: with published scores; empty where none are known of this checkpoint.
        known_of: checkpoints of which scores are known, where it is none of them.
        findings: on pictures that were drawn for it.
    """

    reward: str
    checkpoint: str | None
    compared: tuple[Compared, ...]
    known_of: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def settings(self) -> list[tuple[str, list[Mapping[str, Any]]]]:
        """Of sources that leave options open: source → those with which all its scores are met."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        open_ones = [one for one in self.compared if one.either]
        for (source, options), rows in groupby(open_ones, lambda one: (one.source, one.options)):
            met = found.setdefault(source, [])
            if all(row.ok for row in rows):
                met.append(options)
        return list(found.items())

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. Of options that a source leaves open, some have to fit."""
        return (
            all(one.ok for one in self.compared if not one.either)
            and all(met for _, met in self.settings)
            and all(one.ok for one in self.findings)
        )

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            **asdict(self),
            "compared": [{**asdict(one), "ok": one.ok} for one in self.compared],
            "ok": self.ok,
        }


def check_reward(
    name: str,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    device: str | None = None,
    known: Sequence[Known] | None = None,
) -> Check:
    """Open a reward and see whether it can be trusted here.

    Args:
        name, checkpoint, revision, device: as of :func:`synpic.reward`.
        known: published scores; :data:`KNOWN` if None.

    Raises:
        UnknownName, CheckpointError: it cannot be found.
        RewardError: it cannot be opened, a score is not finite, or a picture is not found.
    """
    weights = None if checkpoint is None else os.fspath(checkpoint)
    ours = [one for one in (KNOWN if known is None else known) if one.reward == name]
    apt = [one for one in ours if one.checkpoint in (None, weights)]
    # First what is small, and may be out of reach.
    files = {picture: fetch(picture) for one in apt for picture in one.pictures}

    @lru_cache(maxsize=1)
    def opened(*options: tuple[str, Any]) -> OpenedReward:
        return reward(name, checkpoint=weights, revision=revision, device=device, **dict(options))

    compared: list[Compared] = []
    for one in apt:
        pictures = [files[picture] for picture in one.pictures]
        for more in one.either:
            options = {**one.options, **more}
            scores = opened(*options.items()).score(one.prompts, pictures)
            compared += _compared(one, options, scores)
    usual = opened()
    return Check(
        name,
        weights or usual.info.checkpoint,
        tuple(compared),
        () if apt else tuple(one.checkpoint for one in ours if one.checkpoint),
        tuple(_common_sense(usual)),
    )


def _compared(
    known: Known, options: Mapping[str, Any], scores: Sequence[float]
) -> Iterator[Compared]:
    for picture, prompt, expected, score in zip(
        known.pictures, known.prompts, known.expected, scores, strict=True
    ):
        yield Compared(
            picture.name,
            prompt,
            expected,
            score,
            known.tolerance,
            known.source,
            options,
            len(known.either) > 1,
        )


def _common_sense(opened: OpenedReward) -> list[Finding]:
    """What holds of every reward, tried on a few drawn pictures of several sizes."""
    pictures, prompts = drawn_pictures()
    together = opened.score(prompts, pictures)
    turned = opened.score(prompts[::-1], pictures[::-1])[::-1]
    alone = [opened.score(*pair)[0] for pair in zip(prompts, pictures, strict=True)]
    one, other = opened.score(["a red circle", "a photograph of the sea"], [pictures[0]] * 2)
    reads = opened.info.reads_prompt
    return [
        Finding("every score is a finite number", True),  # or there had been an error
        Finding("pictures that differ have scores that differ", len(set(together)) > 1),
        Finding("a picture has one score, in any batch", _same(together, alone)),
        Finding("a picture has one score, in any order", _same(together, turned)),
        Finding("the prompt is read", one != other)
        if reads
        else Finding("the prompt is not read, as declared", _same([one], [other])),
    ]


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= SAME * max(1, abs(a)) for a, b in zip(one, other, strict=True))


def drawn_pictures() -> tuple[list[Image.Image], list[str]]:
    """Noise, a slope, stripes, a disc and a plain colour, with prompts."""
    x, y = np.meshgrid(np.linspace(0, 1, 320), np.linspace(0, 1, 200))
    noise = np.random.default_rng(0).integers(0, 256, (97, 301, 3))
    slope = np.stack([x, y, 1 - x], -1) * 255
    stripes = np.repeat((np.indices((512, 384)).sum(0) // 16 % 2)[..., None], 3, -1) * 255
    disc = np.where(((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1)[..., None], (220, 30, 30), 255)
    plain = np.full((64, 64, 3), (30, 60, 200))
    pictures = [
        Image.fromarray(pixels.astype(np.uint8)) for pixels in (disc, noise, slope, stripes, plain)
    ]
    return pictures, ["a red circle", "noise", "a slope of colours", "stripes", "plain blue"]
