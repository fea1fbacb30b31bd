"""The packages that rewards' authors publish, in an environment in which they install."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from synpic.score.apart.reward import ApartReward
from synpic.score.hpsv2 import FILES, HPSv2
from synpic.score.imagereward import ImageReward
from synpic.score.reward import RewardInfo
from synpic.score.weights import find_file

__all__ = ["HPSv2Upstream", "ImageRewardUpstream"]

_INSIDE = Path(__file__).parent / "inside"
_ENVIRONMENT = "synpic:upstream"
_VERIFIED = "the package itself; how it is asked: tests/score/test_apart.py"


class HPSv2Upstream(ApartReward):
    """``hpsv2.img_score.score`` of hpsv2 1.2.0: one picture at a time, half precision on a GPU.

    Args:
        checkpoint: folder or repository with ``HPS_v2.1_compressed.pt``.
        revision: its commit.
        device: where it runs.
        environment: another requirements file, or an environment that is there.
        beside: the folder of the recipe.

    Raises:
        RewardError: it cannot be opened there.
        CheckpointError: the repository lacks the file, or cannot be reached.
    """

    environment: ClassVar[str | None] = _ENVIRONMENT

    info: ClassVar[RewardInfo] = replace(
        HPSv2.info,
        summary="HPSv2.1 by its authors' own package, hpsv2 1.2.0, in an environment of its own",
        files_by_option={},
        verified=_VERIFIED,
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        environment: str = "",
        beside: str | None = None,
    ) -> None:
        weights = str(find_file(checkpoint, revision, FILES["2.1"][1]).absolute())
        code = f"{_INSIDE / 'hpsv2_upstream.py'}:HpsPackage"
        options = {"weights": weights, "device": device}
        self.start("hpsv2_upstream", environment, code, None, options)


class ImageRewardUpstream(ApartReward):
    """``ImageReward.score`` of image-reward 1.5: one picture at a time.

    Args:
        checkpoint: folder or repository with ``ImageReward.pt`` and ``med_config.json``.
        revision: its commit.
        device: where it runs.
        tokenizer: folder or repository of BERT's tokenizer.
        tokenizer_revision: its commit.
        environment: another requirements file, or an environment that is there.
        beside: the folder of the recipe.

    Raises:
        RewardError: it cannot be opened there.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    environment: ClassVar[str | None] = _ENVIRONMENT

    info: ClassVar[RewardInfo] = replace(
        ImageReward.info,
        summary="ImageReward v1.0 by its authors' own package, 1.5, in an environment of its own",
        verified=_VERIFIED,
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        tokenizer: str,
        tokenizer_revision: str | None = None,
        *,
        environment: str = "",
        beside: str | None = None,
    ) -> None:
        words = find_file(tokenizer, tokenizer_revision, "vocab.txt")
        options = {
            "weights": str(find_file(checkpoint, revision, "ImageReward.pt").absolute()),
            "described": str(find_file(checkpoint, revision, "med_config.json").absolute()),
            "tokenizer": str(words.absolute().parent),
            "device": device,
        }
        code = f"{_INSIDE / 'imagereward_upstream.py'}:ImageRewardPackage"
        self.start("imagereward_upstream", environment, code, None, options)
