"""mmdet's names for the tensors of a Mask2Former, and how it lays them out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synpic.score.weights import account_for

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MADE_HERE", "from_mmdet"]

MADE_HERE = ("criterion.empty_weight", "model.pixel_level_module.encoder.swin.layernorm.*")
"""What transformers' class holds and mmdet's file does not: a weight of the loss, and the norm of
an output that no other part of the network reads."""

_LEFTOVERS = {"*.relative_position_index": "numbers of positions, computed from the window"}


@dataclass(frozen=True)
class _Place:
    """Where a tensor of transformers' is in mmdet's file.

    Args:
        name: there.
        third: 0, 1 or 2 where it is that third of a larger tensor, of queries, keys and values.
        merged: whether its last dimension runs over 2 × 2 patches, which mmdet orders otherwise.
    """

    name: str
    third: int | None = None
    merged: bool = False

    def of(self, tensor: Tensor) -> Tensor:
        """What is there."""
        if self.third is not None:
            return tensor.chunk(3)[self.third].contiguous()
        if self.merged:
            # mmdet: channel by channel, each its 2 × 2 pixels by rows. transformers: pixel by
            # pixel, by columns, each its channels.
            rest, channels = tensor.shape[:-1], tensor.shape[-1] // 4
            whole = tensor.reshape(*rest, channels, 2, 2)
            return whole.transpose(-1, -2).movedim(-3, -1).reshape(*rest, -1).contiguous()
        return tensor


_SWIN = r"model\.pixel_level_module\.encoder\.swin\."
_BLOCK = _SWIN + r"encoder\.layers\.(\d+)\.blocks\.(\d+)\."
_PIXELS = r"model\.pixel_level_module\.decoder\."
_ENCODER = _PIXELS + r"encoder\.layers\.(\d+)\."
_DECODER = r"model\.transformer_module\.decoder\."
_LAYER = _DECODER + r"layers\.(\d+)\."
_BLOCK_THERE = r"backbone.stages.\1.blocks.\2."
_PIXELS_THERE = "panoptic_head.pixel_decoder."
_ENCODER_THERE = _PIXELS_THERE + r"encoder.layers.\1."
_DECODER_THERE = "panoptic_head.transformer_decoder."
_LAYER_THERE = _DECODER_THERE + r"layers.\1."

_RULES: tuple[tuple[str, str], ...] = (
    (_SWIN + r"embeddings\.patch_embeddings\.projection\.", "backbone.patch_embed.projection."),
    (_SWIN + r"embeddings\.norm\.", "backbone.patch_embed.norm."),
    (_BLOCK + r"layernorm_before\.", _BLOCK_THERE + "norm1."),
    (_BLOCK + r"layernorm_after\.", _BLOCK_THERE + "norm2."),
    (_BLOCK + r"attention\.relative_position_bias\.", _BLOCK_THERE + "attn.w_msa."),
    (_BLOCK + r"attention\.[qkv]_proj\.", _BLOCK_THERE + "attn.w_msa.qkv."),
    (_BLOCK + r"attention\.o_proj\.", _BLOCK_THERE + "attn.w_msa.proj."),
    (_BLOCK + r"mlp\.fc1\.", _BLOCK_THERE + "ffn.layers.0.0."),
    (_BLOCK + r"mlp\.fc2\.", _BLOCK_THERE + "ffn.layers.1."),
    (_SWIN + r"encoder\.layers\.(\d+)\.downsample\.", r"backbone.stages.\1.downsample."),
    (_PIXELS + r"level_embed$", _PIXELS_THERE + "level_encoding.weight"),
    (_PIXELS + r"input_projections\.(\d+)\.0\.", _PIXELS_THERE + r"input_convs.\1.conv."),
    (_PIXELS + r"input_projections\.(\d+)\.1\.", _PIXELS_THERE + r"input_convs.\1.gn."),
    (_PIXELS + r"adapter_1\.0\.", _PIXELS_THERE + "lateral_convs.0.conv."),
    (_PIXELS + r"adapter_1\.1\.", _PIXELS_THERE + "lateral_convs.0.gn."),
    (_PIXELS + r"layer_1\.0\.", _PIXELS_THERE + "output_convs.0.conv."),
    (_PIXELS + r"layer_1\.1\.", _PIXELS_THERE + "output_convs.0.gn."),
    (_PIXELS + r"mask_projection\.", _PIXELS_THERE + "mask_feature."),
    (_ENCODER + r"self_attn\.", _ENCODER_THERE + "attentions.0."),
    (_ENCODER + r"self_attn_layer_norm\.", _ENCODER_THERE + "norms.0."),
    (_ENCODER + r"final_layer_norm\.", _ENCODER_THERE + "norms.1."),
    (_ENCODER + r"fc1\.", _ENCODER_THERE + "ffns.0.layers.0.0."),
    (_ENCODER + r"fc2\.", _ENCODER_THERE + "ffns.0.layers.1."),
    (_LAYER + r"cross_attn\.", _LAYER_THERE + "attentions.0.attn."),
    (_LAYER + r"self_attn\.[qkv]_proj\.", _LAYER_THERE + "attentions.1.attn.in_proj_"),
    (_LAYER + r"self_attn\.out_proj\.", _LAYER_THERE + "attentions.1.attn.out_proj."),
    (_LAYER + r"cross_attn_layer_norm\.", _LAYER_THERE + "norms.0."),
    (_LAYER + r"self_attn_layer_norm\.", _LAYER_THERE + "norms.1."),
    (_LAYER + r"final_layer_norm\.", _LAYER_THERE + "norms.2."),
    (_LAYER + r"fc1\.", _LAYER_THERE + "ffns.0.layers.0.0."),
    (_LAYER + r"fc2\.", _LAYER_THERE + "ffns.0.layers.1."),
    (_DECODER + r"layernorm\.", _DECODER_THERE + "post_norm."),
    (r"model\.transformer_module\.queries_embedder\.", "panoptic_head.query_embed."),
    (r"model\.transformer_module\.queries_features\.", "panoptic_head.query_feat."),
    (r"model\.transformer_module\.level_embed\.", "panoptic_head.level_embed."),
    (r"class_predictor\.", "panoptic_head.cls_embed."),
)
"""How a name begins in transformers' class → how it begins in mmdet's file."""


def from_mmdet(
    tensors: Mapping[str, Tensor], wanted: Iterable[str], source: object
) -> dict[str, Tensor]:
    """The tensors of mmdet's file under transformers' names.

    Args:
        tensors: of the file.
        wanted: names in transformers' class, without those of :data:`MADE_HERE`.
        source: the file, for messages.

    Raises:
        RewardError: the file lacks a tensor, or has one that belongs to nothing, by its name.
    """
    places = {key: _place(key) for key in wanted}
    there = {place.name for place in places.values()}
    account_for(there - tensors.keys(), tensors.keys() - there, source, _LEFTOVERS)
    return {key: place.of(tensors[place.name]) for key, place in places.items()}


def _place(key: str) -> _Place:
    norm = re.match(r"model\.pixel_level_module\.encoder\.hidden_states_norms\.stage(\d)\.", key)
    if norm:
        return _Place(f"backbone.norm{int(norm[1]) - 1}.{key[norm.end() :]}")
    mask = re.match(_DECODER + r"mask_predictor\.mask_embedder\.(\d)\.0\.", key)
    if mask:
        # Layers without weights lie between those that have them.
        return _Place(f"panoptic_head.mask_embed.{2 * int(mask[1])}.{key[mask.end() :]}")
    third = re.search(r"(?:attention|self_attn)\.([qkv])_proj\.\w+$", key)
    merged = re.search(r"downsample\.(reduction\.weight|norm\.\w+)$", key)
    for begins, there in _RULES:
        name, count = re.subn("^" + begins, there, key)
        if count:
            return _Place(name, "qkv".index(third[1]) if third else None, bool(merged))
    return _Place(key)
