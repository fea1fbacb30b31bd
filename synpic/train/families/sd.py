"""Stable Diffusion 1.x and 2.x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from synpic.train.families.diffusion import Diffusion
from synpic.train.families.family import CLIP_TOKENS, Encoded, fitted

__all__ = ["TrainableStableDiffusion"]


class TrainableStableDiffusion(Diffusion):
    """``StableDiffusionPipeline``."""

    denoiser: ClassVar[str] = "unet"
    # As diffusers' train_text_to_image_lora.py.
    adapted: ClassVar[tuple[str, ...]] = ("to_k", "to_q", "to_v", "to_out.0")

    @torch.no_grad()
    def encode_prompts(self, pipeline: Any, texts: Sequence[str]) -> Encoded:
        """See :meth:`TrainableFamily.encode_prompts`."""
        words, _ = pipeline.encode_prompt(
            list(texts),
            device=pipeline.text_encoder.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
        return {"words": words.cpu()}

    def prompt_numbers(self, index: Mapping[str, Any]) -> int:
        """See :meth:`TrainableFamily.prompt_numbers`."""
        return CLIP_TOKENS * int(self.shape["cross_attention_dim"])

    def predict(
        self, denoiser: Any, noisy: Tensor, times: Tensor, encoded: Encoded, crops: Tensor
    ) -> Tensor:
        """See :meth:`TrainableFamily.predict`."""
        said: Tensor = denoiser(
            fitted(denoiser, noisy),
            times,
            encoder_hidden_states=fitted(denoiser, encoded["words"]),
            return_dict=False,
        )[0]
        return said

    def drawing(self, encoded: Encoded, empty: Encoded) -> dict[str, Any]:
        """See :meth:`TrainableFamily.drawing`."""
        return {"prompt_embeds": encoded["words"], "negative_prompt_embeds": empty["words"]}
