"""Random weights of a Mask2Former under mmdet's names and in its layout, of any size.

Written from mmdet's modules, not from the map of names in synpic; NumPy alone, so that an oracle
without torch makes the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """Of a Mask2Former on a Swin."""

    embed: int = 16
    depths: tuple[int, ...] = (2, 1, 2, 1)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    window: int = 4
    hidden: int = 64
    pixel_layers: int = 2
    pixel_feed: int = 96
    decoder_layers: int = 3
    decoder_feed: int = 80
    queries: int = 20

    def architecture(self) -> dict[str, Any]:
        """For transformers' Mask2FormerConfig."""
        return {
            "backbone_config": {
                "model_type": "swin",
                "embed_dim": self.embed,
                "depths": list(self.depths),
                "num_heads": list(self.heads),
                "window_size": self.window,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "num_labels": 80,
            "num_queries": self.queries,
            "feature_size": self.hidden,
            "mask_feature_size": self.hidden,
            "hidden_dim": self.hidden,
            "encoder_layers": self.pixel_layers,
            "encoder_feedforward_dim": self.pixel_feed,
            "decoder_layers": self.decoder_layers + 1,
            "dim_feedforward": self.decoder_feed,
        }


TINY = Size()
SWIN_S = Size(96, (2, 2, 18, 2), (3, 6, 12, 24), 7, 256, 6, 1024, 9, 2048, 100)
"""The detector of GenEval."""


def shapes(size: Size) -> dict[str, Shape]:
    """Name → shape of everything that is learned."""
    return {**dict(_backbone(size)), **dict(_pixel_decoder(size)), **dict(_decoder(size))}


def weights(size: Size, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random ones: of a scale at which signals neither vanish nor grow, none of them 0 or 1."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes(size).items():
        noise = rng.standard_normal(shape, np.float32)
        if len(shape) > 1:
            spread = 1 / math.sqrt(math.prod(shape[1:]))
            # Classes far apart, masks with an inside and an outside.
            spread *= 12 if "cls_embed" in name else 1
            found[name] = noise * np.float32(spread)
        elif ".norm" in name or "post_norm" in name or ".gn." in name:
            found[name] = np.float32(name.endswith("weight")) + np.float32(0.1) * noise
        else:
            found[name] = np.float32(0.1) * noise
    return found


def saved(size: Size, seed: int = 0, **more: NDArray[Any]) -> dict[str, Any]:
    """As mmdet saves: tensors of torch beside what else there is."""
    import torch

    tensors: Mapping[str, NDArray[Any]] = {**weights(size, seed), **more}
    for stage, depth in enumerate(size.depths):
        for block in range(depth):
            where = f"backbone.stages.{stage}.blocks.{block}.attn.w_msa.relative_position_index"
            numbers = np.arange(size.window**4).reshape(size.window**2, size.window**2)
            tensors = {**tensors, where: numbers}
    return {
        "meta": {"epoch": 1, "iter": 2, "CLASSES": ("person", "…"), "PALETTE": [(220, 20, 60)]},
        "state_dict": {name: torch.from_numpy(array) for name, array in tensors.items()},
    }


def _learned(name: str, *shape: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _backbone(size: Size) -> Iterator[tuple[str, Shape]]:
    yield from _learned("backbone.patch_embed.projection", size.embed, 3, 4, 4)
    yield from _learned("backbone.patch_embed.norm", size.embed)
    for stage, depth in enumerate(size.depths):
        width = size.embed * 2**stage
        for block in range(depth):
            here = f"backbone.stages.{stage}.blocks.{block}"
            yield from _learned(f"{here}.norm1", width)
            table = f"{here}.attn.w_msa.relative_position_bias_table"
            yield table, ((2 * size.window - 1) ** 2, size.heads[stage])
            yield from _learned(f"{here}.attn.w_msa.qkv", 3 * width, width)
            yield from _learned(f"{here}.attn.w_msa.proj", width, width)
            yield from _learned(f"{here}.norm2", width)
            yield from _learned(f"{here}.ffn.layers.0.0", 4 * width, width)
            yield from _learned(f"{here}.ffn.layers.1", width, 4 * width)
        if stage < 3:
            here = f"backbone.stages.{stage}.downsample"
            yield from _learned(f"{here}.norm", 4 * width)
            yield f"{here}.reduction.weight", (2 * width, 4 * width)
        yield from _learned(f"backbone.norm{stage}", width)


def _feed_forward(here: str, width: int, inner: int) -> Iterator[tuple[str, Shape]]:
    yield from _learned(f"{here}.ffns.0.layers.0.0", inner, width)
    yield from _learned(f"{here}.ffns.0.layers.1", width, inner)


def _pixel_decoder(size: Size) -> Iterator[tuple[str, Shape]]:
    here, width = "panoptic_head.pixel_decoder", size.hidden
    for number in range(3):
        there = size.embed * 2 ** (3 - number)
        yield from _learned(f"{here}.input_convs.{number}.conv", width, there, 1, 1)
        yield from _learned(f"{here}.input_convs.{number}.gn", width)
    for number in range(size.pixel_layers):
        layer = f"{here}.encoder.layers.{number}"
        # 8 heads, 3 levels, 4 points; two coordinates of each.
        yield from _learned(f"{layer}.attentions.0.sampling_offsets", 192, width)
        yield from _learned(f"{layer}.attentions.0.attention_weights", 96, width)
        yield from _learned(f"{layer}.attentions.0.value_proj", width, width)
        yield from _learned(f"{layer}.attentions.0.output_proj", width, width)
        yield from _feed_forward(layer, width, size.pixel_feed)
        yield from _learned(f"{layer}.norms.0", width)
        yield from _learned(f"{layer}.norms.1", width)
    yield f"{here}.level_encoding.weight", (3, width)
    yield f"{here}.lateral_convs.0.conv.weight", (width, size.embed, 1, 1)
    yield from _learned(f"{here}.lateral_convs.0.gn", width)
    yield f"{here}.output_convs.0.conv.weight", (width, width, 3, 3)
    yield from _learned(f"{here}.output_convs.0.gn", width)
    yield from _learned(f"{here}.mask_feature", width, width, 1, 1)


def _decoder(size: Size) -> Iterator[tuple[str, Shape]]:
    here, width = "panoptic_head", size.hidden
    for number in range(size.decoder_layers):
        layer = f"{here}.transformer_decoder.layers.{number}"
        for attention in (0, 1):
            yield f"{layer}.attentions.{attention}.attn.in_proj_weight", (3 * width, width)
            yield f"{layer}.attentions.{attention}.attn.in_proj_bias", (3 * width,)
            yield from _learned(f"{layer}.attentions.{attention}.attn.out_proj", width, width)
        yield from _feed_forward(layer, width, size.decoder_feed)
        for norm in range(3):
            yield from _learned(f"{layer}.norms.{norm}", width)
    yield from _learned(f"{here}.transformer_decoder.post_norm", width)
    yield f"{here}.query_embed.weight", (size.queries, width)
    yield f"{here}.query_feat.weight", (size.queries, width)
    yield f"{here}.level_embed.weight", (3, width)
    yield from _learned(f"{here}.cls_embed", 81, width)
    for number in (0, 2, 4):
        yield from _learned(f"{here}.mask_embed.{number}", width, width)
