"""BLIP as a judge: it reads a prompt while it looks at a picture, and a head rates the result.

ImageReward and CycleReward are it, with heads, lengths and weights of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synpic.errors import RewardError
from synpic.score.weights import fill_parts, read_tensors, reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["TOKENIZER", "VISION", "BlipJudge", "blip_parts", "blip_tokenizer", "in_blip_file"]

TOKENIZER = "google-bert/bert-base-uncased"
"""To which BLIP adds two tokens of its own."""

VISION: Mapping[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 16,
}
"""The tower of pictures, which no file describes: ViT-L/16."""

PARTS = {"vision": "blip.visual_encoder", "text": "blip.text_encoder", "head": "mlp"}
"""What the files call the three parts."""

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
"""What transformers calls the pieces of the tower of pictures → what BLIP's authors do."""

LEFTOVERS = {
    "blip.text_encoder.embeddings.position_ids": "numbers of positions",
    "blip.vision_proj.*": "BLIP's projection for contrast, which these rewards do not use",
    "blip.text_proj.*": "BLIP's projection for contrast, which these rewards do not use",
}


class BlipJudge:
    """BLIP and a head, opened.

    Args:
        path: of the weights, under their authors' names.
        parts: from :func:`blip_parts`; they take the weights.
        tokenizer: from :func:`blip_tokenizer`.
        length: tokens that are read of a prompt, those at its beginning and end included.
        device: where it runs.
        dtype: of the towers; the head is computed in float32 in any case.

    Raises:
        RewardError: weights are missing, or belong to nothing.
    """

    def __init__(
        self,
        path: Path,
        parts: torch.nn.ModuleDict,
        tokenizer: Any,
        length: int,
        device: str,
        dtype: torch.dtype,
    ) -> None:
        self._tokenizer, self._length = tokenizer, length
        self._device, self._dtype = device, dtype
        fill_parts(parts, read_tensors(path), path, dtype, in_blip_file, LEFTOVERS)
        self._parts: Any = parts.to(device)

    def __call__(self, prompts: Sequence[str], pixels: Tensor) -> Tensor:
        """Ratings of n prompts and ``Float[Tensor, "n 3 height width"]``: ``Float[Tensor, "n"]``,
        float32."""
        import torch

        # Always padded to the full length, so that shapes do not depend on what shares the batch.
        tokens = self._tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self._length,
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
            ratings: Tensor = self._parts["head"](read[:, 0].float()).squeeze(-1)
        return ratings


def blip_parts(
    vision: Mapping[str, Any], text: Mapping[str, Any], head: torch.nn.Module
) -> torch.nn.ModuleDict:
    """The towers ``vision`` and ``text``, and the ``head``, without weights.

    Args:
        vision: sizes of the tower of pictures, as :data:`VISION` has them.
        text: the reader of prompts, as ``med_config.json`` describes it.
        head: of the text's width; on the meta device.
    """
    from accelerate import init_empty_weights
    from torch import nn
    from transformers import BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

    seen = BlipVisionConfig(**vision, hidden_act="gelu", layer_norm_eps=1e-6)
    read = BlipTextConfig(**text, encoder_hidden_size=seen.hidden_size, is_decoder=True)
    with init_empty_weights(include_buffers=False):
        towers = {
            "vision": BlipVisionModel(seen),
            "text": BlipTextModel(read, add_pooling_layer=False),
        }
    return nn.ModuleDict({**towers, "head": head}).eval()


def in_blip_file(part: str, key: str) -> str:
    """What the authors' files call ``key`` of ``part``."""
    if part == "vision":
        for ours, theirs in PIECES.items():
            key = key.replace(ours, theirs)
    return f"{PARTS[part]}.{key}"


def blip_tokenizer(tokenizer: str, revision: str | None, size: int) -> Any:
    """BERT's tokenizer with BLIP's two tokens.

    Args:
        tokenizer: folder or repository.
        revision: its commit.
        size: tokens that it has to have then.

    Raises:
        RewardError: it has another number of them.
        CheckpointError: it lacks a file, or cannot be reached.
    """
    from transformers import BertTokenizer

    with reading(tokenizer, revision):
        found: Any = BertTokenizer.from_pretrained(tokenizer, revision=revision or "main")
    # A prompt may spell them, and upstream's tokenizer would then take them for what they are.
    found.add_tokens(["[DEC]", "[ENC]"], special_tokens=True)
    if len(found) != size:
        raise RewardError(
            f"{tokenizer} with [DEC] and [ENC] has {len(found)} tokens, {size} expected",
            hint=f"the tokenizer is that of {TOKENIZER}",
        )
    return found
