"""SDXL, SD3-Medium and PixArt-Σ at full architecture, with random weights: how fast, not how good.

The sizes are those of their published configurations; tokenizers are tests.generate.tiny's, so that
nothing has to be fetched, and only their embeddings of words are smaller for it.
"""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from tests.generate import tiny

__all__ = ["pixart_sigma", "save", "sd3", "sdxl"]


def save(name: str, folder: Path) -> Path:
    """Build a pipeline in bf16, on the device if there is one, and save it into ``folder``.

    Args:
        name: "sdxl", "sd3" or "pixart_sigma".
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            pipeline = {"sdxl": sdxl, "sd3": sd3, "pixart_sigma": pixart_sigma}[name]()
    finally:
        torch.set_default_dtype(before)
    pipeline.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    return folder


def sdxl() -> Any:
    """``stabilityai/stable-diffusion-xl-base-1.0``: a UNet of 2,567 million parameters."""
    return diffusers.StableDiffusionXLPipeline(
        unet=diffusers.UNet2DConditionModel(
            sample_size=128,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280),
            layers_per_block=2,
            cross_attention_dim=2048,
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ),
        vae=_vae(latent_channels=4, scaling_factor=0.13025),
        text_encoder=_clip("CLIPTextModel", 768, 12, 12),
        text_encoder_2=_clip("CLIPTextModelWithProjection", 1280, 32, 20),
        tokenizer=tiny.clip_tokenizer(),
        tokenizer_2=tiny.clip_tokenizer(),
        scheduler=_scheduler(
            "EulerDiscreteScheduler",
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
        ),
    )


def sd3() -> Any:
    """``stabilityai/stable-diffusion-3-medium-diffusers``: an MMDiT of 2,028 million parameters."""
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=128,
            patch_size=2,
            in_channels=16,
            num_layers=24,
            attention_head_dim=64,
            num_attention_heads=24,
            joint_attention_dim=4096,
            caption_projection_dim=1536,
            pooled_projection_dim=2048,
            out_channels=16,
            pos_embed_max_size=192,
        ),
        vae=_vae(
            latent_channels=16,
            scaling_factor=1.5305,
            shift_factor=0.0609,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        text_encoder=_clip("CLIPTextModelWithProjection", 768, 12, 12),
        text_encoder_2=_clip("CLIPTextModelWithProjection", 1280, 32, 20),
        text_encoder_3=_t5(),
        tokenizer=tiny.clip_tokenizer(),
        tokenizer_2=tiny.clip_tokenizer(),
        tokenizer_3=tiny.t5_tokenizer(),
        scheduler=_scheduler("FlowMatchEulerDiscreteScheduler", shift=3.0),
    )


def pixart_sigma() -> Any:
    """``PixArt-alpha/PixArt-Sigma-XL-2-1024-MS``: a transformer of 611 million parameters."""
    return diffusers.PixArtSigmaPipeline(
        transformer=diffusers.PixArtTransformer2DModel(
            sample_size=128,
            patch_size=2,
            in_channels=4,
            out_channels=8,
            num_layers=28,
            attention_head_dim=72,
            num_attention_heads=16,
            cross_attention_dim=1152,
            caption_channels=4096,
            interpolation_scale=2,
            use_additional_conditions=False,
        ),
        vae=_vae(latent_channels=4, scaling_factor=0.13025),
        text_encoder=_t5(),
        tokenizer=tiny.t5_tokenizer(),
        scheduler=_scheduler(
            "DPMSolverMultistepScheduler",
            beta_start=0.0001,
            beta_end=0.02,
            beta_schedule="linear",
        ),
    )


def _vae(**options: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=1024,
        **options,
    )


def _scheduler(kind: str, **options: Any) -> Any:
    # Its few numbers are the host's, wherever the weights are.
    with torch.device("cpu"):
        return getattr(diffusers, kind)(**options)


def _t5() -> Any:
    """The encoder of T5-XXL (version 1.1): 4.6 billion parameters beside its words."""
    config = transformers.T5Config(
        vocab_size=30,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
    return transformers.T5EncoderModel(config)


def _clip(kind: str, width: int, layers: int, heads: int) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    return getattr(transformers, kind)(config)
