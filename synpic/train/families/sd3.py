"""Stable Diffusion 3 and 3.5, with the T5 or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from synpic.errors import TrainingError
from synpic.train.families.family import CLIP_TOKENS, Encoded, fitted
from synpic.train.families.flow import Flow

__all__ = ["TrainableStableDiffusion3"]


class TrainableStableDiffusion3(Flow):
    """``StableDiffusion3Pipeline``.

    Embeddings of prompts are kept as the encoders return them: ``words`` of the two CLIPs,
    ``t5`` of the T5 if there is one, ``pooled``. The pipeline pads the first with
    zeros to the T5's width, and without a T5 it uses zeros for its words too (two megabytes a
    prompt in half precision). These zeros are added when they are needed, and not kept.
    """

    denoiser: ClassVar[str] = "transformer"
    # As diffusers' train_dreambooth_lora_sd3.py.
    adapted: ClassVar[tuple[str, ...]] = (
        "attn.add_k_proj",
        "attn.add_q_proj",
        "attn.add_v_proj",
        "attn.to_add_out",
        "attn.to_k",
        "attn.to_out.0",
        "attn.to_q",
        "attn.to_v",
    )
    multiple: ClassVar[int] = 16

    @property
    def largest(self) -> int | None:
        """See :meth:`TrainableFamily.largest`: it has embeddings for this many positions."""
        places = self.shape.get("pos_embed_max_size")
        return int(places) * self.multiple if places else None

    @torch.no_grad()
    def encode_prompts(self, pipeline: Any, texts: Sequence[str]) -> Encoded:
        """See :meth:`TrainableFamily.encode_prompts`.

        Raises:
            TrainingError: there is no T5, and ``shape`` was not given.
        """
        if pipeline.text_encoder_3 is None and "joint_attention_dim" not in self.shape:
            raise TrainingError(
                f"{self.settings.checkpoint} has no T5, and the width of its embeddings "
                "is not known",
                hint="give the configuration of its transformer as `shape`",
            )
        # Not encode_prompt: without a T5 it asks the denoiser, which need not be there.
        prompts = list(texts)
        device = pipeline.text_encoder.device
        words, pooled = zip(
            *(
                pipeline._get_clip_prompt_embeds(prompts, device=device, clip_model_index=index)
                for index in (0, 1)
            ),
            strict=True,
        )
        encoded = {"words": torch.cat(words, dim=-1), "pooled": torch.cat(pooled, dim=-1)}
        if pipeline.text_encoder_3 is not None:
            encoded["t5"] = pipeline._get_t5_prompt_embeds(
                prompts, max_sequence_length=self._length, device=device
            )
        return {name: value.cpu() for name, value in encoded.items()}

    def prompt_numbers(self, index: Mapping[str, Any]) -> int:
        """See :meth:`TrainableFamily.prompt_numbers`."""
        clips = (CLIP_TOKENS + 1) * int(self.shape["pooled_projection_dim"])
        t5 = (index.get("text_encoder_3") or [None])[0] is not None
        return clips + t5 * self._length * int(self.shape["joint_attention_dim"])

    def predict(
        self, denoiser: Any, noisy: Tensor, times: Tensor, encoded: Encoded, crops: Tensor
    ) -> Tensor:
        """See :meth:`TrainableFamily.predict`."""
        said: Tensor = denoiser(
            hidden_states=fitted(denoiser, noisy),
            timestep=times,
            encoder_hidden_states=fitted(denoiser, self._joined(encoded)),
            pooled_projections=fitted(denoiser, encoded["pooled"]),
            return_dict=False,
        )[0]
        return said

    def drawing(self, encoded: Encoded, empty: Encoded) -> dict[str, Any]:
        """See :meth:`TrainableFamily.drawing`."""
        return {
            "prompt_embeds": self._joined(encoded),
            "pooled_prompt_embeds": encoded["pooled"],
            "negative_prompt_embeds": self._joined(empty),
            "negative_pooled_prompt_embeds": empty["pooled"],
        }

    @property
    def _length(self) -> int:
        return int(self.settings.call.get("max_sequence_length", 256))

    def _joined(self, encoded: Encoded) -> Tensor:
        """What the pipeline makes of it, ``Float[Tensor, "prompts words width"]``."""
        words, t5 = encoded["words"], encoded.get("t5")
        if t5 is None:
            t5 = words.new_zeros(len(words), self._length, self.shape["joint_attention_dim"])
        return torch.cat([pad(words, (0, t5.shape[-1] - words.shape[-1])), t5], dim=1)
