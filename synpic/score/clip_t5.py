"""A T5 that sees: a CLIP's patches, projected, stand among the tokens that its encoder reads.

Lin et al., *Evaluating Text-to-Visual Generation with Image-to-Text Generation* (arXiv 2404.01291).
The parts are transformers'; their weights are read file by file, each tensor cast and moved at
once: of eleven billion numbers there is never a second copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionConfig, CLIPVisionModel, T5Config, T5Model

from synpic.errors import RewardError
from synpic.score.clip_t5_names import LEFTOVERS, TOWER, WORDS, in_the_file
from synpic.score.t5_tokens import PAD
from synpic.score.weights import (
    fill_parts,
    find_file,
    find_shards,
    open_pretrained,
    read_tensors,
    reading,
)
from synpic.score.weights.tensor_names import WEIGHTS

__all__ = ["ClipT5"]

DESCRIBED = (
    "d_model",
    "d_kv",
    "d_ff",
    "num_layers",
    "num_decoder_layers",
    "num_heads",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "layer_norm_epsilon",
    "feed_forward_proj",
)
"""What a configuration has to say of the T5."""

FIXED = {
    "tie_word_embeddings": (False, True),
    "mm_projector_type": ("mlp2x_gelu", "linear"),
    "mm_vision_select_feature": ("patch", "patch"),
}
"""What is built here of what a configuration may say, and what it means if it does not."""

IGNORED = -100
"""Where an answer is over, in cross-entropy's words."""


class ClipT5:
    """How likely a T5 is to give an answer to a question about a picture.

    Args:
        checkpoint: folder or repository with ``config.json`` and weights.
        revision: its commit.
        vision: folder or repository of the CLIP. Weights are read of it only if the checkpoint has
            no copy of its own: that of the checkpoint counts, as upstream loads the one over the
            other.
        vision_revision: its commit.
        tokens: how many the tokenizer has. Rows of the embedding and of the head beyond them are
            cut off, as upstream does: they would take part in every probability.
        device: where it runs.
        dtype: of all but the head, which is in float32.

    Raises:
        RewardError: weights are missing or belong to nothing, or it is another model.
        CheckpointError: a file is not there, or cannot be reached.
    """

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        vision: str,
        vision_revision: str | None,
        tokens: int,
        device: str,
        dtype: torch.dtype,
    ) -> None:
        self._device, self._dtype = device, dtype
        config = _described(find_file(checkpoint, revision, "config.json"))
        self._layer: int = config["mm_vision_select_layer"]
        tensors = _read(checkpoint, revision, tokens, device, dtype)
        if any(key.startswith(TOWER) for key in tensors):
            with reading(vision, vision_revision):
                described: Any = CLIPVisionConfig.from_pretrained(
                    vision,
                    revision=vision_revision,  # type: ignore[arg-type]
                )
            tower = None
        else:
            text = "a CLIP's other half, which is not used"
            tower = open_pretrained(
                CLIPVisionModel,
                vision,
                vision_revision,
                dtype,
                dict.fromkeys(("text_*", "logit_scale", "visual_projection.*"), text),
            )
            described = tower.config
        parts = _built(config, described, tokens, with_tower=tower is None)
        # The matrix of words, which both stacks of T5 know by a name of their own, stays one.
        fill_parts(parts, tensors, checkpoint, dtype, in_the_file)
        if tower is not None:
            parts["vision"] = tower
        self._parts: Any = parts.to(device).eval()

    @torch.inference_mode()
    def likelihood(
        self, before: list[int], after: list[list[int]], answers: list[list[int]], pixels: Tensor
    ) -> Tensor:
        """exp(− mean cross-entropy) of each answer's tokens, ``Float[Tensor, "n"]``, in 0 … 1.

        Args:
            before: tokens before the picture.
            after: those after it, for each of n questions.
            answers: for each of n.
            pixels: ``Float[Tensor, "n 3 height width"]``.
        """
        reader, n = self._parts["reader"], len(after)
        pictures = self._see(pixels)
        behind = self._padded(after, PAD)
        ahead = torch.tensor(before, device=self._device).expand(n, -1)
        embeds = torch.cat([reader.shared(ahead), pictures, reader.shared(behind)], dim=1)
        seen = torch.ones(embeds.shape[:2], dtype=torch.long, device=self._device)
        seen[:, -behind.shape[1] :] = behind != PAD

        labels = self._padded(answers, IGNORED)
        # Each token is told from those before it; T5 starts with its padding. What follows the end
        # of an answer is behind all that counts, and needs no mask.
        given = torch.cat([torch.full_like(labels[:, :1], PAD), labels[:, :-1]], dim=1)
        given = given.masked_fill(given == IGNORED, PAD)
        states = reader(
            inputs_embeds=embeds, attention_mask=seen, decoder_input_ids=given, use_cache=False
        ).last_hidden_state
        logits = self._parts["head"](states.float())
        surprise = cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        counted = torch.ne(labels, IGNORED).sum(1)
        return torch.exp(-surprise.sum(1) / counted)

    def _see(self, pixels: Tensor) -> Tensor:
        """Patches as the reader reads them, ``Float[Tensor, "n patch width"]``."""
        pixels = pixels.to(self._device, self._dtype)
        seen = self._parts["vision"](pixels, output_hidden_states=True).hidden_states[self._layer]
        projected: Tensor = self._parts["projector"](seen[:, 1:])
        return projected

    def _padded(self, rows: list[list[int]], value: int) -> Tensor:
        """``Int[Tensor, "row token"]``, as wide as the longest."""
        tensors = [torch.tensor(row) for row in rows]
        padded = nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)
        return padded.to(self._device)


def _described(path: Path) -> dict[str, Any]:
    """What ``config.json`` says; transformers' AutoConfig knows no ``clip_t5``.

    Raises:
        RewardError: it is no such file, or of a model that is not built here.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = {key: found[key] for key in (*DESCRIBED, "mm_vision_select_layer")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RewardError(
            f"{path} does not describe a CLIP-T5: {type(error).__name__}: {error}",
            hint="name a checkpoint such as zhiqiulin/clip-flant5-xl",
        ) from error
    for key, (wanted, default) in FIXED.items():
        if found.get(key, default) != wanted:
            raise RewardError(
                f"{path}: {key} is {found.get(key, default)!r}, {wanted!r} expected",
                hint="this is not built as CLIP-FlanT5 is; name one that is",
            )
    return config


def _read(
    checkpoint: str, revision: str | None, tokens: int, device: str, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Every tensor of use, cast and moved as soon as it is read."""
    found: dict[str, Tensor] = {}
    for path in find_shards(checkpoint, revision, *WEIGHTS):
        tensors = read_tensors(path)
        for key in list(tensors):
            tensor = tensors.pop(key)
            if any(fnmatchcase(key, pattern) for pattern in LEFTOVERS):
                continue
            name = key.removesuffix(".weight")
            if name in WORDS or name == "lm_head":
                if len(tensor) < tokens:
                    raise RewardError(
                        f"{path}: {key} has {len(tensor)} rows, and the tokenizer {tokens} tokens",
                        hint="name the tokenizer of the T5 that was tuned",
                    )
                tensor = tensor[:tokens]
            if name in WORDS:
                if "shared.weight" in found:
                    continue
                key = "shared.weight"
            found[key] = tensor.to(device, torch.float32 if name == "lm_head" else dtype)
    return found


def _built(
    config: Mapping[str, Any], vision: CLIPVisionConfig, tokens: int, *, with_tower: bool
) -> nn.ModuleDict:
    """The parts, without weights."""
    described = T5Config(vocab_size=tokens, **{key: config[key] for key in DESCRIBED})
    width = described.d_model
    with init_empty_weights(include_buffers=False):
        parts: dict[str, nn.Module] = {
            "reader": T5Model(described),
            "projector": nn.Sequential(
                nn.Linear(vision.hidden_size, width), nn.GELU(), nn.Linear(width, width)
            ),
            "head": nn.Linear(width, tokens, bias=False),
        }
        if with_tower:
            parts["vision"] = CLIPVisionModel(vision)
    return nn.ModuleDict(parts)
