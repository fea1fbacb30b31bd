"""A small GOT-OCR 2.0 of random weights, saved as its repository is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    GotOcr2Config,
    GotOcr2ForConditionalGeneration,
    GotOcr2ImageProcessorPil,
    GotOcr2Processor,
)

from tests.score.tiny_vlms import tiny_tokenizer

__all__ = ["TOKENS", "save_got"]

SIDE = 128
TOKENS = 4
"""Of an image."""


def save_got(folder: Path) -> Path:
    """A model and its processor, as ``from_pretrained`` reads them, in ``folder``."""
    words = tiny_tokenizer(["<img>", "</img>", "<imgpad>"])
    torch.manual_seed(0)
    pad = words.convert_tokens_to_ids("<imgpad>")
    assert isinstance(pad, int)
    config = GotOcr2Config(
        vision_config={
            "hidden_size": 16,
            "output_channels": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 16,
            "window_size": 4,
            "global_attn_indexes": [1],
            "mlp_dim": 32,
            "initializer_range": 0.5,
        },
        text_config={
            "model_type": "qwen2",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "initializer_range": 0.5,
        },
        image_token_index=pad,
        image_seq_length=TOKENS,
    )
    model = GotOcr2ForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # What it says has to depend on the picture.
            weight.normal_(0, 3.0 if "projector" in name else 0.3)
    model.save_pretrained(folder)
    images = GotOcr2ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    processor: Any = GotOcr2Processor
    processor(images, words).save_pretrained(folder)
    return folder
