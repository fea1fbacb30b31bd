"""LoRA adapters (Hu et al., arXiv 2106.09685) on any denoiser: added, switched off, merged, saved.

By peft alone: not every denoiser of diffusers has methods for them (PixArt's has none).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor, nn

from synpic.errors import TrainingError
from synpic.train.families.family import TrainableFamily
from synpic.train.settings import TuningSettings

__all__ = ["add_adapters", "check_targets", "merge_adapters", "save_adapters", "without_adapters"]


def check_targets(denoiser: nn.Module, tuning: TuningSettings) -> None:
    """See that every one of ``tuning.targets`` names a layer that can be adapted.

    Raises:
        TrainingError: one does not; those that would are listed.
    """
    layers = (nn.Linear, nn.Conv2d)
    names = [name for name, module in denoiser.named_modules() if isinstance(module, layers)]
    for target in tuning.targets or ():
        if not any(f".{name}".endswith(f".{target}") for name in names):
            ends = sorted({_end(name) for name in names})
            raise TrainingError(
                f"tuning.targets: {type(denoiser).__name__} has no layer {target!r} to adapt",
                hint=f"names of its layers end in: {', '.join(ends)}",
            )


def add_adapters(denoiser: nn.Module, family: TrainableFamily, tuning: TuningSettings) -> None:
    """Add adapters, in float32 and of no effect yet, to the layers they are for.

    Raises:
        TrainingError: as :func:`check_targets`.
    """
    check_targets(denoiser, tuning)
    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.rank if tuning.alpha is None else tuning.alpha,
        init_lora_weights="gaussian",
        target_modules=list(tuning.targets or family.adapted),
    )
    inject_adapter_in_model(config, denoiser)
    for parameter in denoiser.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


@contextmanager
def without_adapters(denoiser: nn.Module) -> Iterator[None]:
    """The denoiser as it was before adapters, for the time of the block."""
    layers = [layer for _, layer in _adapted(denoiser)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merge_adapters(denoiser: nn.Module) -> None:
    """Put what adapters add into the weights they adapt, and take them away. There may be none."""
    for name, layer in _adapted(denoiser):
        layer.merge()
        parent, _, end = name.rpartition(".")
        setattr(denoiser.get_submodule(parent), end, layer.get_base_layer())


def save_adapters(folder: Path, pipeline: Any, family: TrainableFamily, denoiser: Any) -> None:
    """Write the adapters as ``pipeline.load_lora_weights(folder)`` takes them.

    Where diffusers' pipeline takes none, as ``peft.PeftModel.from_pretrained(denoiser, folder)``.

    Args:
        pipeline: class of the pipeline.
    """
    config = denoiser.peft_config["default"]
    config.target_modules = sorted(config.target_modules)  # a set, of another order each time
    layers: dict[str, Tensor] = get_peft_model_state_dict(denoiser)
    if family.lora_mixin:
        part = f"{family.denoiser}_lora"
        # Without its configuration, whoever loads it takes alpha to be the rank.
        pipeline.save_lora_weights(
            folder, **{f"{part}_layers": layers, f"{part}_adapter_metadata": config.to_dict()}
        )
        return
    named = {f"base_model.model.{name}": value.contiguous() for name, value in layers.items()}
    save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(str(folder))


def _adapted(denoiser: nn.Module) -> list[tuple[str, Any]]:
    return [
        (name, module)
        for name, module in denoiser.named_modules()
        if isinstance(module, BaseTunerLayer)
    ]


def _end(name: str) -> str:
    """The last part of a layer's name, and the one before where that is a number."""
    parts = name.split(".")
    return ".".join(parts[-2:] if parts[-1].isdigit() else parts[-1:])
