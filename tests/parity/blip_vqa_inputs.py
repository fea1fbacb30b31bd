"""What both sides of the parity of ``blip_vqa`` are shown: a small BLIP, its words, questions."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from tests.parity.inputs import named_weight, picture

__all__ = ["MED", "PHRASES", "SHAPES", "VISION", "authors_weights", "pictures", "vocabulary"]

VISION = {"img_size": 48, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}

MED = {
    "vocab_size": 30524,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 40,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "attention_probs_dropout_prob": 0.1,
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "model_type": "bert",
    "encoder_width": 24,
    "add_cross_attention": True,
}

PHRASES = (
    "a red apple",
    'A (green) "leaf"; #1 ~ yes!',
    "the fluffy pillow",
    "two blue cats and a zebra: an apple.",
    " ".join(["a red apple and a green leaf"] * 9),
    "it",
)
"""Short; with all that is taken out; with words that are not known; longer than what is read."""

SHAPES = ((48, 48), (60, 50), (31, 90), (200, 75))
"""As large as the model reads, larger, tall and wide."""

_WORDS = (
    *("a", "an", "the", "and", "two", "one", "in", "of", "it", "##s", "?", "!", ".", ",", "1"),
    *("red", "green", "blue", "fluffy", "apple", "leaf", "pillow", "cats", "cat"),
)


def vocabulary() -> list[str]:
    """30,522 lines: yes and no are where they are in BERT's file."""
    lines = [f"[unused{place}]" for place in range(30522)]
    for place, word in {
        0: "[PAD]",
        100: "[UNK]",
        101: "[CLS]",
        102: "[SEP]",
        103: "[MASK]",
    }.items():
        lines[place] = word
    for number, word in enumerate(_WORDS):
        lines[3000 + 7 * number] = word
    lines[2748], lines[2053] = "yes", "no"
    return lines


def authors_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights under the names of the authors' file, with their ties."""
    made = {
        name: named_weight(name, shape)
        for name, shape in shapes.items()
        if not name.endswith("position_ids")
    }
    head = "text_decoder.cls.predictions"
    words = "text_decoder.bert.embeddings.word_embeddings.weight"
    made[words] = made[words] * 3  # so that answers are sure at times
    made[f"{head}.decoder.weight"], made[f"{head}.decoder.bias"] = made[words], made[f"{head}.bias"]
    for name in made:
        if "LayerNorm.weight" in name or ("norm" in name and name.endswith("weight")):
            made[name] = made[name].clamp(min=0.5)
    positions = {name: torch.arange(40)[None] for name in shapes if name.endswith("position_ids")}
    return {**made, **positions}


def pictures() -> list[Image.Image]:
    """Of :data:`SHAPES`."""
    return [picture(number, *shape) for number, shape in enumerate(SHAPES)]
