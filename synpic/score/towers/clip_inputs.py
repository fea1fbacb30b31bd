"""What a CLIP of transformers is fed: pixels and tokens, as its repository says they are made."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from synpic.score.weights import reading

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CLIP_H", "FILES", "ClipInputs"]

CLIP_H = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
"""The CLIP that PickScore and MPS were tuned from, and whose inputs they take."""

FILES = (
    "preprocessor_config.json",
    "tokenizer_config.json",
    "tokenizer.json|vocab.json",
    "vocab.json|",
    "merges.txt|",
    "special_tokens_map.json|",
    "spiece.model|",
)
"""What is read of a repository here."""


class ClipInputs:
    """The image processor and the tokenizer of ``checkpoint``.

    Args:
        checkpoint: folder or repository that holds both; no weights are read.
        revision: its commit.

    Attributes:
        preprocessing: equal for two of these if, and only if, their pixels are.

    Raises:
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    def __init__(self, checkpoint: str, revision: str | None) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer

        with reading(checkpoint, revision):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, revision=revision)
            # Pillow resizes with antialiasing, the same on every machine, and as it did when these
            # models were trained; the torchvision backend, the default, differs from it.
            self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                checkpoint, revision=revision, backend="pil"
            )
        self.preprocessing: Hashable = json.dumps(self._processor.to_dict(), sort_keys=True)

    def pixels(self, image: Image) -> Tensor:
        """An RGB image → ``Float[Tensor, "3 height width"]`` on the CPU."""
        pixels: Tensor = self._processor(images=image, return_tensors="pt").pixel_values[0]
        return pixels

    def tokens(self, texts: Sequence[str], places: int) -> Tensor:
        """n texts → ``Int[Tensor, "n token"]`` on the CPU, padded to full length or cut off.

        Args:
            places: how many tokens the tower reads; the tokenizer's own limit may be less.
        """
        # Always the full length: what is computed of a text does not depend on its mates, and
        # a model that looks at the padding too finds there what it was trained with.
        ids: Tensor = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=min(self._tokenizer.model_max_length, places),
            return_tensors="pt",
        ).input_ids
        return ids
