"""The reward ``cyclereward``: how well a picture would lead back to its prompt.

Bahng et al., *Cycle Consistency as Reward* (arXiv 2506.02095): BLIP as in ImageReward, trained on
pairs of which the better is the one whose caption, or whose picture, comes out nearer to what it
was made from. No person judged one. The score is that of cyclereward/model.py of
github.com/hjbahng/cyclereward, which looks at one picture at a time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.score.lineage import BLIP_BACKBONE, Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.blip import TOKENIZER, VISION, BlipJudge, blip_parts, blip_tokenizer
from synpic.score.towers.clip_pixels import ClipPixels
from synpic.score.towers.rating_head import bending_head
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, find_file

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["CycleReward"]

TOKENS = 128
"""What is read of a prompt, with the tokens at its beginning and end."""

FILES = (
    "model.safetensors",
    *(
        f"CycleReward-{kind}.{ending}"
        for kind in ("Combo", "T2I", "I2T")
        for ending in ("safetensors", "pth")
    ),
)
"""What the weights may be called: as the Hub's client saves them, and as the authors' release has
them."""


class CycleReward(TwoStageReward):
    """BLIP's reading of a prompt with an eye on the picture, rated by a head that bends.

    The number is the head's own: unlike ImageReward's it is not standardised.

    Args:
        checkpoint: folder or repository with the weights.
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
        summary="CycleReward: BLIP trained on which of two leads back to what it came from",
        score_range="unbounded",
        checkpoint="carolineec/CycleReward-Combo",
        files=("|".join(FILES),),
        companions={"tokenizer": Companion(TOKENIZER, ("tokenizer*", "vocab.txt"))},
        licence="MIT (the authors' code, github.com/hjbahng/cyclereward)",
        paper="2506.02095",
        text_limit="128 tokens of BERT; what is longer is cut off",
        verified="against upstream's own code at a reduced size, with random weights "
        "(tests/score/test_cyclereward.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        BLIP_BACKBONE,
        446,
        "CyclePrefDB: 866,000 pairs by cycle consistency; no people",
        {"GenAI-Bench": 55.5},
    )

    _vision: ClassVar[Mapping[str, Any]] = VISION
    """The tower of pictures; tests name a smaller one."""

    _text: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 30524,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 512,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    """The reader of prompts, BERT-base, of which repositories need not hold a description."""

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
        words = blip_tokenizer(tokenizer, tokenizer_revision, self._text["vocab_size"])
        path = find_file(checkpoint, revision, *FILES)
        parts = blip_parts(self._vision, self._text, bending_head(self._text["hidden_size"]))
        self._rate = BlipJudge(path, parts, words, TOKENS, device, towers)
        self._pixels = ClipPixels(self._vision["image_size"])
        self.preprocessing: Hashable = self._pixels.preprocessing

    def pixels(self, image: Image) -> Tensor:
        """As OpenAI's CLIP makes them: the middle of the image, its shortest side resized."""
        return self._pixels(image)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Ratings, as high as the head says."""
        ratings: list[float] = self._rate(prompts, pixels).tolist()
        return ratings
