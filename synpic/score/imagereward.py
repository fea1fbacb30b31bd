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
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.clip_pixels import ClipPixels
from synpic.score.towers.rating_head import rating_head
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, fill_parts, find_file, read_tensors, reading

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    import torch
    from torch import Tensor

__all__ = ["ImageReward"]

RATINGS_MEAN, RATINGS_STD = 0.16717362830052426, 1.0333394966054072
"""Upstream's constants, by which scores come to be roughly normal."""

TOKENS = 35
"""What is read of a prompt, with the tokens at its beginning and end."""

PARTS = {"vision": "blip.visual_encoder", "text": "blip.text_encoder", "head": "mlp"}
"""What the file calls the three parts."""

PIECES = {
    "embeddings.patch_embedding.": "patch_embed.proj.",
    "embeddings.position_embedding": "pos_embed",
    "embeddings.class_embedding": "cls_token",
    "encoder.layers.": "blocks.",
    ".self_attn.projection.": ".attn.proj.",
    ".self_attn.": ".attn.",
    ".layer_norm": ".norm",
    "post_layernorm.": "norm.",
}
"""What transformers calls the pieces of the tower of pictures → what its authors do."""

LEFTOVERS = {
    "blip.text_encoder.embeddings.position_ids": "numbers of positions",
    "blip.vision_proj.*": "BLIP's projection for contrast, which this reward does not use",
    "blip.text_proj.*": "BLIP's projection for contrast, which this reward does not use",
}


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
        companions={
            "tokenizer": Companion("google-bert/bert-base-uncased", ("tokenizer*", "vocab.txt"))
        },
        licence="Apache-2.0 (the authors' code)",
        paper="2304.05977",
        text_limit="35 tokens of BERT; what is longer is cut off",
        verified="against upstream's own code, in small (tests/score/test_imagereward.py) and at "
        "full size (make parity), with random weights",
    )

    _vision: ClassVar[Mapping[str, Any]] = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 16,
    }
    """The tower of pictures, which no file describes; tests name a smaller one."""

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
        from transformers import BertTokenizer

        self._device, self._dtype = device, as_dtype(dtype)
        described = _described(find_file(checkpoint, revision, "med_config.json"))
        with reading(tokenizer, tokenizer_revision):
            self._tokenizer: Any = BertTokenizer.from_pretrained(
                tokenizer, revision=tokenizer_revision or "main"
            )
        # A prompt may spell them, and upstream's tokenizer would then take them for what they are.
        self._tokenizer.add_tokens(["[DEC]", "[ENC]"], special_tokens=True)
        if len(self._tokenizer) != described["vocab_size"]:
            raise RewardError(
                f"{tokenizer} with [DEC] and [ENC] has {len(self._tokenizer)} tokens, "
                f"{described['vocab_size']} expected",
                hint=f"the tokenizer is that of {self.info.companions['tokenizer'].repository}",
            )
        path = find_file(checkpoint, revision, "ImageReward.safetensors", "ImageReward.pt")
        self._parts = _built(self._vision, described)
        fill_parts(self._parts, read_tensors(path), path, self._dtype, _in_the_file, LEFTOVERS)
        self._parts.to(device)

        self._pixels = ClipPixels(self._vision["image_size"])
        self.preprocessing: Hashable = self._pixels.preprocessing

    def pixels(self, image: Image) -> Tensor:
        """As OpenAI's CLIP makes them: the middle of the image, its shortest side resized."""
        return self._pixels(image)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Ratings; by its authors' word, roughly normal with mean 0 and deviation 1."""
        import torch

        # Always padded to the full length, so that shapes do not depend on what shares the batch.
        tokens = self._tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=TOKENS,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            seen = self._parts["vision"](pixels.to(self._device, self._dtype)).last_hidden_state
            # A decoder by its layers, which look at the picture; but each token sees all others.
            read = self._parts["text"](
                tokens.input_ids,
                attention_mask=tokens.attention_mask,
                encoder_hidden_states=seen,
                is_decoder=False,
            ).last_hidden_state
            ratings = self._parts["head"](read[:, 0].float()).squeeze(-1)
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


def _built(vision: Mapping[str, Any], described: Mapping[str, Any]) -> torch.nn.ModuleDict:
    """The towers ``vision`` and ``text``, and the ``head``, without weights."""
    from accelerate import init_empty_weights
    from torch import nn
    from transformers import BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

    seen = BlipVisionConfig(**vision, hidden_act="gelu", layer_norm_eps=1e-6)
    read = BlipTextConfig(**described, encoder_hidden_size=seen.hidden_size, is_decoder=True)
    with init_empty_weights(include_buffers=False):
        towers = {
            "vision": BlipVisionModel(seen),
            "text": BlipTextModel(read, add_pooling_layer=False),
        }
    return nn.ModuleDict({**towers, "head": rating_head(read.hidden_size)}).eval()


def _in_the_file(part: str, key: str) -> str:
    if part == "vision":
        for ours, theirs in PIECES.items():
            key = key.replace(ours, theirs)
    return f"{PARTS[part]}.{key}"
