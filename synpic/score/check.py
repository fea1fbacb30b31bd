"""Whether a reward says here what it should: the numbers its authors publish, and common sense.

Tests hold a reward against upstream's code with small random weights. This is for who has the real
ones: pictures that an upstream published scores of are downloaded, scored, and compared.
"""

from __future__ import annotations

import hashlib
import os
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import Any

import numpy as np
from PIL import Image

from synpic.errors import RewardError
from synpic.score.api import OpenedReward, reward

__all__ = ["KNOWN", "Check", "Compared", "Finding", "Known", "Picture", "check_reward"]

SECONDS = 60
"""That a download may stand still."""

MOST_BYTES = 50_000_000
"""Of one picture."""

SAME = 1e-5
"""How far two computations of one score may lie apart, relative to scores above 1."""


@dataclass(frozen=True)
class Picture:
    """One that an upstream published.

    Args:
        url: at a commit, where it lies in a repository.
        sha256: of the file, where it has been seen.
    """

    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class Known:
    """Scores that an upstream published. Each has been seen where ``source`` says.

    Args:
        reward: its registered name.
        prompts: one for each score.
        pictures: one for each score.
        expected: the scores.
        tolerance: how far ours may lie off: other devices and libraries made theirs.
        source: repository, commit, file and line.
        checkpoint: whose scores they are, if not those of the reward's own.
    """

    reward: str
    prompts: tuple[str, ...]
    pictures: tuple[Picture, ...]
    expected: tuple[float, ...]
    tolerance: float
    source: str
    checkpoint: str | None = None


_OCEAN = "a painting of an ocean with clouds and birds, day time, low depth field effect"
_IMAGE_REWARD = (
    "https://raw.githubusercontent.com/THUDM/ImageReward/"
    "c1392c6dd0fd6ecd6d416c96959ab744a6d0a8fb/assets/images"
)
_CATS = Picture("http://images.cocodataset.org/val2017/000000039769.jpg")

KNOWN: tuple[Known, ...] = (
    Known(
        reward="imagereward",
        prompts=(_OCEAN,) * 4,
        pictures=(
            Picture(
                f"{_IMAGE_REWARD}/1.webp",
                "a5fcd126763da8b3fe2a9e620fc1ba03d215d20de36c77bf6770a540a9bc972d",
            ),
            Picture(
                f"{_IMAGE_REWARD}/2.webp",
                "dc13919a49a37987d19c8be3ba0c1ef2941570f820f90fb66ac91a9a9db24082",
            ),
            Picture(
                f"{_IMAGE_REWARD}/3.webp",
                "ee859bac167e6a04cbcde63454757b6fc7d9b8704429c15725ca8c4accf176e3",
            ),
            Picture(
                f"{_IMAGE_REWARD}/4.webp",
                "84faf59d59d9ca7ab298c9acb957d727365ae104768ac1a1ec55ab96be68aaf9",
            ),
        ),
        expected=(0.5811622738838196, 0.2745276093482971, -1.4131819009780884, -2.029569625854492),
        # "may be slightly different depending on the compute device", it says there.
        tolerance=0.01,
        source="THUDM/ImageReward@c1392c6d, README.md, line 129",
    ),
    Known(
        reward="clip_score",
        prompts=("a photo of a cat", "a photo of a dog"),
        pictures=(_CATS, _CATS),
        # There as logits, with a hundredth and a thousandth of slack: 100 times the cosine.
        expected=(0.245701, 0.193049),
        tolerance=0.0005,
        source="huggingface/transformers@0e1bc2c8, tests/models/clip/test_modeling_clip.py, "
        "CLIPModelIntegrationTest.test_inference",
        checkpoint="openai/clip-vit-base-patch32",
    ),
)
"""Read for scores of a picture that is available, and without one: the READMEs of HPSv2
(866735ec), MPS (be9027f3), PickScore (f79607ff), t2v_metrics (6ecb74f9, and 3.0's) and
improved-aesthetic-predictor (6934dd81)."""


@dataclass(frozen=True)
class Compared:
    """One published score, and ours."""

    url: str
    prompt: str
    expected: float
    score: float
    tolerance: float
    source: str

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
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(one.ok for one in self.compared) and all(one.ok for one in self.findings)

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
    files = {p: _download(p) for one in apt for p in one.pictures}
    opened = reward(name, checkpoint=weights, revision=revision, device=device)
    compared: list[Compared] = []
    for one in apt:
        scores = opened.score(one.prompts, [files[picture] for picture in one.pictures])
        compared += [
            Compared(picture.url, prompt, expected, score, one.tolerance, one.source)
            for picture, prompt, expected, score in zip(
                one.pictures, one.prompts, one.expected, scores, strict=True
            )
        ]
    return Check(
        name,
        weights or opened.info.checkpoint,
        tuple(compared),
        () if apt else tuple(one.checkpoint for one in ours if one.checkpoint),
        tuple(_common_sense(opened)),
    )


def _common_sense(opened: OpenedReward) -> list[Finding]:
    """What holds of every reward, tried on a few drawn pictures of several sizes."""
    pictures, prompts = _drawn()
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


def _drawn() -> tuple[list[Image.Image], list[str]]:
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


def _download(picture: Picture) -> bytes:
    """The file, as it was when it was scored.

    Raises:
        RewardError: it is not found, or is another.
    """
    try:
        with urllib.request.urlopen(picture.url, timeout=SECONDS) as answer:
            data: bytes = answer.read(MOST_BYTES)
    except (OSError, HTTPException) as error:  # URLError is of the former's family
        reason = getattr(error, "reason", None) or error
        raise RewardError(
            f"{picture.url} cannot be downloaded: {reason}",
            hint="published scores are of pictures that do not come with synpic; connect, and try "
            "again",
        ) from error
    if picture.sha256 and hashlib.sha256(data).hexdigest() != picture.sha256:
        raise RewardError(
            f"{picture.url} is not the picture whose score was published",
            hint="something between here and there changed it; try another network",
        )
    return data
