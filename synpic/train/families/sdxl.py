"""Stable Diffusion XL, the base model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from synpic.train.families.diffusion import Diffusion
from synpic.train.families.family import CLIP_TOKENS, Encoded, fitted

__all__ = ["TrainableStableDiffusionXL"]


class TrainableStableDiffusionXL(Diffusion):
    """``StableDiffusionXLPipeline``.

    The denoiser gets, for every image, how large it was, where it was cut and how large it is now
    (Podell et al., arXiv 2307.01952, §2.2). An empty prompt is all zeros where guidance sets off
    from zeros (``force_zeros_for_empty_prompt``, unless the recipe has a negative prompt): what
    caption dropout trains is then what guidance asks.
    """

    denoiser: ClassVar[str] = "unet"
    # As diffusers' train_text_to_image_lora_sdxl.py.
    adapted: ClassVar[tuple[str, ...]] = ("to_k", "to_q", "to_v", "to_out.0")

    def encodes_by(self) -> Mapping[str, Any]:
        """See :meth:`TrainableFamily.encodes_by`: zeros only without a negative prompt."""
        zeros = self.settings.negative_prompt is None
        return {**super().encodes_by(), "zeros_for_empty": zeros}

    def scaled(self, latents: Tensor, config: Any) -> Tensor:
        """See :meth:`TrainableFamily.scaled`; by channels where the config has both numbers."""
        mean, std = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is None or std is None:
            return latents * float(config.scaling_factor)
        middle, spread = (latents.new_tensor(values)[:, None, None] for values in (mean, std))
        return (latents - middle) * float(config.scaling_factor) / spread

    @torch.no_grad()
    def encode_prompts(self, pipeline: Any, texts: Sequence[str]) -> Encoded:
        """See :meth:`TrainableFamily.encode_prompts`."""
        words, _, pooled, _ = pipeline.encode_prompt(
            list(texts),
            device=pipeline.text_encoder_2.device,
            do_classifier_free_guidance=False,
        )
        encoded = {"words": words.cpu(), "pooled": pooled.cpu()}
        if pipeline.config.force_zeros_for_empty_prompt and self.settings.negative_prompt is None:
            empty = torch.tensor([not text for text in texts])
            for value in encoded.values():
                value[empty] = 0
        return encoded

    def prompt_numbers(self, index: Mapping[str, Any]) -> int:
        """See :meth:`TrainableFamily.prompt_numbers`."""
        # Beside the pooled embedding the denoiser is told six sizes, which are not kept.
        told = int(self.shape["projection_class_embeddings_input_dim"])
        pooled = told - 6 * int(self.shape["addition_time_embed_dim"])
        return CLIP_TOKENS * int(self.shape["cross_attention_dim"]) + pooled

    def predict(
        self, denoiser: Any, noisy: Tensor, times: Tensor, encoded: Encoded, crops: Tensor
    ) -> Tensor:
        """See :meth:`TrainableFamily.predict`."""
        said: Tensor = denoiser(
            fitted(denoiser, noisy),
            times,
            encoder_hidden_states=fitted(denoiser, encoded["words"]),
            # Sizes stay in float32: half precision would round them.
            added_cond_kwargs={
                "text_embeds": fitted(denoiser, encoded["pooled"]),
                "time_ids": crops.float(),
            },
            return_dict=False,
        )[0]
        return said

    def drawing(self, encoded: Encoded, empty: Encoded) -> dict[str, Any]:
        """See :meth:`TrainableFamily.drawing`."""
        return {
            "prompt_embeds": encoded["words"],
            "pooled_prompt_embeds": encoded["pooled"],
            "negative_prompt_embeds": empty["words"],
            "negative_pooled_prompt_embeds": empty["pooled"],
        }
