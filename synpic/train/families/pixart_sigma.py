"""PixArt-Σ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from synpic.train.families.diffusion import Diffusion
from synpic.train.families.family import Encoded, fitted

__all__ = ["TrainablePixArtSigma"]


class TrainablePixArtSigma(Diffusion):
    """``PixArtSigmaPipeline``. Captions are not cleaned unless ``call`` says so, as when drawing.

    Its denoiser gets no sizes (that was PixArt-α), and what it says of the variance,
    the second half of its channels, is neither used nor trained.
    """

    denoiser: ClassVar[str] = "transformer"
    # diffusers has no script for it: attention, as its scripts for Stable Diffusion.
    adapted: ClassVar[tuple[str, ...]] = ("to_k", "to_q", "to_v", "to_out.0")
    lora_mixin: ClassVar[bool] = False
    multiple: ClassVar[int] = 16

    @torch.no_grad()
    def encode_prompts(self, pipeline: Any, texts: Sequence[str]) -> Encoded:
        """See :meth:`TrainableFamily.encode_prompts`."""
        call = self.settings.call
        words, mask, _, _ = pipeline.encode_prompt(
            list(texts),
            do_classifier_free_guidance=False,
            device=pipeline.text_encoder.device,
            clean_caption=call.get("clean_caption", False),
            max_sequence_length=call.get("max_sequence_length", 300),
        )
        return {"words": words.cpu(), "mask": mask.cpu()}

    def prompt_numbers(self, index: Mapping[str, Any]) -> int:
        """See :meth:`TrainableFamily.prompt_numbers`."""
        length = int(self.settings.call.get("max_sequence_length", 300))
        return length * (int(self.shape["caption_channels"]) + 1)  # the words, and their mask

    def predict(
        self, denoiser: Any, noisy: Tensor, times: Tensor, encoded: Encoded, crops: Tensor
    ) -> Tensor:
        """See :meth:`TrainableFamily.predict`."""
        said: Tensor = denoiser(
            fitted(denoiser, noisy),
            encoder_hidden_states=fitted(denoiser, encoded["words"]),
            encoder_attention_mask=encoded["mask"],
            timestep=times,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return said[:, : noisy.shape[1]]

    def drawing(self, encoded: Encoded, empty: Encoded) -> dict[str, Any]:
        """See :meth:`TrainableFamily.drawing`."""
        arguments: dict[str, Any] = {
            "negative_prompt": None,  # its default, "", is one too many beside embeddings
            "prompt_embeds": encoded["words"],
            "prompt_attention_mask": encoded["mask"],
            "negative_prompt_embeds": empty["words"],
            "negative_prompt_attention_mask": empty["mask"],
        }
        if "use_resolution_binning" not in self.settings.call:
            arguments["use_resolution_binning"] = False  # as synpic.generate draws
        return arguments
