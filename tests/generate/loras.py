"""LoRAs of random weights for pipelines of random weights."""

from __future__ import annotations

from pathlib import Path

import diffusers
import peft
import torch

__all__ = ["save_lora"]


def save_lora(pipeline: Path, folder: Path, seed: int, size: float = 1.0) -> Path:
    """Save a LoRA of random weights for the denoiser of ``pipeline``, as diffusers saves one.

    Args:
        size: of its weights; 1 moves every pixel.
    """
    opened = diffusers.DiffusionPipeline.from_pretrained(pipeline)
    part = "unet" if hasattr(opened, "unet") else "transformer"
    denoiser = getattr(opened, part)
    config = peft.LoraConfig(
        r=2, lora_alpha=4, target_modules=["to_q", "to_v"], init_lora_weights=False
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        denoiser.add_adapter(config)
        for name, weight in denoiser.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=size)
    layers = peft.get_peft_model_state_dict(denoiser)
    config.target_modules = sorted(config.target_modules)
    type(opened).save_lora_weights(
        folder,
        **{f"{part}_lora_layers": layers, f"{part}_lora_adapter_metadata": config.to_dict()},
    )
    return folder
