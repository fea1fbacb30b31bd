"""The reward ``imagereward``: what people would rate a picture of a prompt.

Xu et al., *ImageReward* (arXiv 2304.05977): BLIP reads the prompt while it looks at the picture,
and a head reads the result. The score is ImageReward/ImageReward.py's of
github.com/THUDM/ImageReward, which looks at one picture at a time; here the batch is read at once.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.lineage import BLIP_BACKBONE, Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.blip import TOKENIZER, VISION, BlipJudge, blip_parts, blip_tokenizer
from synpic.score.towers.clip_pixels import ClipPixels
from synpic.score.towers.rating_head import rating_head
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, find_file

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["ImageReward"]

RATINGS_MEAN, RATINGS_STD = 0.16717362830052426, 1.0333394966054072
"""Upstream's constants, by which scores come to be roughly normal."""

TOKENS = 35
"""What is read of a prompt, with the tokens at its beginning and end."""


class ImageReward(TwoStageReward):
    """A linear reading of BLIP's prompt, read with an eye on the picture.

    Args:
        checkpoint: folder or repository with the weights and ``med_config.json``.
        revision: its commit.
        device: where it runs.
        tokenizer: folder or repository of BERT's tokenizer; BLIP's two tokens are added here.
        tokenizer_revision: its commit.
        dtype: of the towers; the head is computed in float32 in any case.

    Raises:
        RewardError: weights are missing, or belong to nothing; or the tokenizer is another's.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="ImageReward v1.0: BLIP with a head trained on people's rankings",
        score_range="unbounded; its authors found mean 0, deviation 1",
        checkpoint="THUDM/ImageReward",
        files=("ImageReward.safetensors|ImageReward.pt", "med_config.json"),
        companions={"tokenizer": Companion(TOKENIZER, ("tokenizer*", "vocab.txt"))},
        licence="Apache-2.0 (the authors' code)",
        paper="2304.05977",
        text_limit="35 tokens of BERT; what is longer is cut off",
        verified="against upstream's own code, in small (tests/score/test_imagereward.py) and at "
        "full size (make parity), with random weights",
    )

    lineage: ClassVar[Lineage] = Lineage(
        BLIP_BACKBONE,
        446,
        "137,000 comparisons by trained people",
        {"HPDv2": 74.0, "HPDv3": 58.6, "MMRB2": 54.0, "GenAI-Bench": 56.7},
    )

    _vision: ClassVar[Mapping[str, Any]] = VISION
    """The tower of pictures; tests name a smaller one."""

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        tokenizer: str,
        tokenizer_revision: str | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        towers = as_dtype(dtype)
        described = _described(find_file(checkpoint, revision, "med_config.json"))
        words = blip_tokenizer(tokenizer, tokenizer_revision, described["vocab_size"])
        path = find_file(checkpoint, revision, "ImageReward.safetensors", "ImageReward.pt")
        parts = blip_parts(self._vision, described, rating_head(described["hidden_size"]))
        self._rate = BlipJudge(path, parts, words, TOKENS, device, towers)
        self._pixels = ClipPixels(self._vision["image_size"])
        self.preprocessing: Hashable = self._pixels.preprocessing

    def pixels(self, image: Image) -> Tensor:
        """As OpenAI's CLIP makes them: the middle of the image, its shortest side resized."""
        return self._pixels(image)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Ratings; by its authors' word, roughly normal with mean 0 and deviation 1."""
        ratings = self._rate(prompts, pixels)
        scores: list[float] = ((ratings - RATINGS_MEAN) / RATINGS_STD).tolist()
        return scores


def _described(path: Path) -> dict[str, Any]:
    """What ``med_config.json`` says of the reader of prompts.

    Raises:
        RewardError: it is no such file.
    """
    wanted = (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
        "hidden_act",
        "layer_norm_eps",
        "pad_token_id",
    )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: found[key] for key in wanted}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RewardError(
            f"{path} does not describe a BERT: {type(error).__name__}: {error}",
            hint="delete it, so that it is downloaded again, or put a whole copy in its place",
        ) from error
