"""The head of MPS: an image's tokens look at the words of a prompt, and at one another.

Each layer is two blocks of one make. A block is a transformer's layer with attention and
feed-forward side by side (PaLM, arXiv 2204.02311), one key and one value for all heads
(multi-query attention, arXiv 1911.02150) and a gated feed-forward (SwiGLU, arXiv 2002.05202). The
first reads the words; the second reads the image's tokens, turned by their places (rotary
embedding, arXiv 2104.09864).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from synpic.score.weights import account_for, fill

__all__ = ["MPSHead", "open_head"]

WORDS_KEYS = {
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
    "to_q.weight": "query.weight",
    "to_kv.weight": "key_value.weight",
    "to_out.weight": "out.weight",
    "ff.0.weight": "widen.weight",
    "ff.2.weight": "narrow.weight",
}
"""Names of the published weights of a layer's first block → ours."""

PLACES_KEYS = {
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
    "rotary_emb.inv_freq": "frequencies",
    "fused_attn_ff_proj.weight": "fused",
    "attn_out.weight": "out.weight",
    "ff_out.1.weight": "narrow.weight",
}
"""Those of its second; ``fused`` holds ``query``, ``key_value`` and ``widen``, one on another."""


class Block(nn.Module):
    """Attention and feed-forward side by side, around which the tokens go on unchanged."""

    def __init__(self, width: int, heads: int, head: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, heads * head, bias=False)
        self.key_value = nn.Linear(width, 2 * head, bias=False)
        self.out = nn.Linear(heads * head, width, bias=False)
        self.widen = nn.Linear(width, 2 * inner, bias=False)
        self.narrow = nn.Linear(inner, width, bias=False)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
        """Multi-query attention.

        All heads share keys and values: they are more queries to one head, and nothing else.

        Args:
            query: ``Float[Tensor, "batch token heads·head"]``.
            key: ``Float[Tensor, "batch other head"]``; so is ``value``.
            seen: which others may be looked at, ``Bool[Tensor, "batch other"]``; None is all.
        """
        batch, tokens, width = query.shape
        queries = query.reshape(batch, 1, -1, key.shape[-1])
        mask = None if seen is None else seen[:, None, None, :]
        found = scaled_dot_product_attention(queries, key[:, None], value[:, None], mask)
        return self.out(found.reshape(batch, tokens, width))  # type: ignore[no-any-return]

    def feed(self, tokens: Tensor) -> Tensor:
        """SwiGLU; the gate is the second half."""
        through, gate = self.widen(tokens).chunk(2, dim=-1)
        return self.narrow(silu(gate) * through)  # type: ignore[no-any-return]


class Words(Block):
    """The image's tokens read the words of the prompt."""

    def forward(self, tokens: Tensor, words: Tensor, seen: Tensor) -> Tensor:
        normed = self.norm(tokens)
        key, value = self.key_value(words).chunk(2, dim=-1)
        return tokens + self.attend(self.query(normed), key, value, seen) + self.feed(normed)


class Places(Block):
    """The image's tokens read one another, and know where they stand."""

    frequencies: Tensor

    def __init__(self, width: int, heads: int, head: int, inner: int) -> None:
        super().__init__(width, heads, head, inner)
        self.register_buffer("frequencies", torch.empty(head // 2))

    def forward(self, tokens: Tensor, wanted: int) -> Tensor:
        """The first ``wanted`` tokens, each having read all of them."""
        normed = self.norm(tokens)
        key, value = self.key_value(normed).chunk(2, dim=-1)
        first = normed[:, :wanted]
        query = self._turned(self.query(first))
        found = self.attend(query, self._turned(key), value, None)
        return tokens[:, :wanted] + found + self.feed(first)

    def _turned(self, vectors: Tensor) -> Tensor:
        """Every head's pairs (i, i + head/2), turned by an angle that grows with the place."""
        batch, tokens, width = vectors.shape
        places = torch.arange(tokens, device=vectors.device, dtype=vectors.dtype)
        angles = torch.outer(places, self.frequencies)[:, None]
        a, b = vectors.view(batch, tokens, -1, 2, angles.shape[-1]).unbind(-2)
        turned = (a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin())
        return torch.cat(turned, dim=-1).view(batch, tokens, width)


class MPSHead(nn.Module):
    """What the first token of an image has become once all have read the words.

    Args:
        layers: how many.
        width: of tokens and words.
        heads: of queries.
        head: width of one.
        inner: width of the feed-forward.
    """

    def __init__(self, layers: int, width: int, heads: int, head: int, inner: int) -> None:
        super().__init__()
        size = (width, heads, head, inner)
        self.words = nn.ModuleList(Words(*size) for _ in range(layers))
        self.places = nn.ModuleList(Places(*size) for _ in range(layers))

    def forward(self, tokens: Tensor, words: Tensor, seen: Tensor) -> Tensor:
        """One vector for each image.

        Args:
            tokens: of the images, ``Float[Tensor, "image token width"]``.
            words: of their prompts, ``Float[Tensor, "image word width"]``.
            seen: which of these count, ``Bool[Tensor, "image word"]``.

        Returns:
            ``Float[Tensor, "image width"]``.
        """
        last = len(self.words) - 1
        for index, (words_block, places_block) in enumerate(
            zip(self.words, self.places, strict=True)
        ):
            tokens = words_block(tokens, words, seen)
            # Of the last layer nothing but the first token is read.
            tokens = places_block(tokens, 1 if index == last else tokens.shape[1])
        return tokens[:, 0]


def open_head(tensors: Mapping[str, Tensor], source: object) -> MPSHead:
    """A head of the published weights, in float32, on the CPU.

    Args:
        tensors: by their published names, ``cross_model.layers.…``; these tell all sizes.
        source: where they are from, for messages.

    Raises:
        RewardError: weights are missing, belong to nothing, or do not fit each other.
    """
    numbers = [re.match(r"cross_model\.layers\.(\d+)\.", key) for key in tensors]
    layers = max((int(number[1]) + 1 for number in numbers if number), default=1)
    names = dict(_names(layers))
    account_for(names.keys() - tensors.keys(), tensors.keys() - names.keys(), source, {})
    ours = {name: tensors[key] for key, name in names.items()}
    size = _size(ours)
    for index in range(layers):
        fused = ours.pop(f"places.{index}.fused")
        queries, key_value = size["heads"] * size["head"], 2 * size["head"]
        ours[f"places.{index}.query.weight"] = fused[:queries]
        ours[f"places.{index}.key_value.weight"] = fused[queries : queries + key_value]
        ours[f"places.{index}.widen.weight"] = fused[queries + key_value :]
    with torch.device("meta"):
        head = MPSHead(layers, **size)
    fill(head, ours, source)
    return head.eval()


def _names(layers: int) -> Iterator[tuple[str, str]]:
    """Published names → ours."""
    for layer in range(layers):
        for place, ours, keys in ((0, "words", WORDS_KEYS), (1, "places", PLACES_KEYS)):
            for theirs, name in keys.items():
                yield f"cross_model.layers.{layer}.{place}.fn.{theirs}", f"{ours}.{layer}.{name}"


def _size(ours: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of a :class:`MPSHead`, from the shapes of its first block."""
    queries, width = ours["words.0.query.weight"].shape
    head = ours["words.0.key_value.weight"].shape[0] // 2
    inner = ours["words.0.narrow.weight"].shape[1]
    return {"width": width, "heads": queries // head, "head": head, "inner": inner}
