"""Classifiers of random weights, a few kilobytes each, saved as their users have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

SIDE = 8
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"

Save = Callable[..., Path]


@pytest.fixture
def save_images(tmp_path: Path) -> Save:
    """Save a classifier of images, for which ``labels`` are what it tells apart."""

    def save(
        name: str = "eyes", labels: tuple[str, ...] = ("normal", "NSFW"), **config: Any
    ) -> Path:
        torch.manual_seed(0)
        model = transformers.ViTForImageClassification(
            transformers.ViTConfig(
                hidden_size=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=8,
                image_size=SIDE,
                patch_size=4,
                initializer_range=0.5,  # of smaller weights all images look alike
                id2label=dict(enumerate(labels)),
                label2id={label: number for number, label in enumerate(labels)},
                **config,
            )
        )
        model.save_pretrained(tmp_path / name)
        transformers.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(
            tmp_path / name
        )
        return tmp_path / name

    return save


@pytest.fixture
def save_prompts(tmp_path: Path) -> Save:
    """Save a classifier of prompts that reads 16 tokens: letters."""

    def save(name: str = "ears", labels: tuple[str, ...] = ("safe", "nsfw"), **config: Any) -> Path:
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
        pieces += [f"##{letter}" for letter in LETTERS]
        torch.manual_seed(1)
        model = transformers.BertForSequenceClassification(
            transformers.BertConfig(
                vocab_size=len(pieces),
                hidden_size=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=8,
                max_position_embeddings=16,
                initializer_range=0.5,
                id2label=dict(enumerate(labels)),
                label2id={label: number for number, label in enumerate(labels)},
                **config,
            )
        )
        model.save_pretrained(tmp_path / name)
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        transformers.BertTokenizer(vocab=vocabulary).save_pretrained(tmp_path / name)
        return tmp_path / name

    return save
