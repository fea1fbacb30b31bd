"""The two towers of a CLIP or a SigLIP of transformers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.towers.clip_inputs import ClipInputs
from synpic.score.weights import open_pretrained, reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ClipTowers"]


class ClipTowers:
    """Features of images and texts by ``AutoModel``.

    Args:
        checkpoint: folder or repository of a CLIP or SigLIP with tokenizer and image processor.
        revision: its commit.
        device: where they run.
        dtype: of the towers.

    Attributes:
        config: transformers' description of the checkpoint.

    Raises:
        RewardError: it is neither, or has weights that are missing or belong to nothing.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, dtype: torch.dtype
    ) -> None:
        from transformers import AutoConfig, AutoModel

        with reading(checkpoint, revision):
            kind = AutoConfig.from_pretrained(checkpoint, revision=revision).model_type
        if kind not in ("clip", "siglip"):
            # Its kin want masks, or other arguments, and would give numbers not theirs.
            raise RewardError(
                f"{checkpoint} is a {kind} model, and neither a CLIP nor a SigLIP",
                hint="name a checkpoint of one of these; for another, write a reward around it",
            )
        self._device, self._dtype = device, dtype
        self._lower = kind == "siglip"
        self._inputs = ClipInputs(checkpoint, revision)
        self._model = open_pretrained(AutoModel, checkpoint, revision, dtype).to(device)
        self.config: Any = self._model.config
        self.preprocessing: Hashable = self._inputs.preprocessing

    def pixels(self, image: Image) -> Tensor:
        """As the checkpoint's own image processor makes them, resized by Pillow."""
        return self._inputs.pixels(image)

    def see(self, pixels: Tensor) -> Tensor:
        """``Float[Tensor, "n 3 height width"]`` → ``Float[Tensor, "n width"]``, float32."""
        pixels = pixels.to(self._device, self._dtype)
        features: Tensor = self._model.get_image_features(pixels).pooler_output
        return features.float()

    def read(self, texts: list[str]) -> Tensor:
        """n texts → ``Float[Tensor, "n width"]``, float32."""
        # SigLIP was trained on lower case, which not all its tokenizers make.
        ids: Any = self._inputs.tokens(
            [text.lower() for text in texts] if self._lower else texts,
            self._model.config.text_config.max_position_embeddings,
        )
        features: Tensor = self._model.get_text_features(ids.to(self._device)).pooler_output
        return features.float()
