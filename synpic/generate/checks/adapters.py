"""Whether LoRAs are there, and in a layout that the pipeline takes."""

from __future__ import annotations

from collections.abc import Iterator

from synpic.errors import ModelError
from synpic.generate.adapters.lora import adapter_file, peft_config
from synpic.generate.checks.subject import InspectedModel

__all__ = ["check_adapters"]


def check_adapters(subject: InspectedModel) -> Iterator[ModelError]:
    """What is wrong with the recipe's adapters, as far as their weights need not be read."""
    settings, pipeline = subject.settings, subject.pipeline
    whose = "this pipeline" if pipeline is None else pipeline.name
    takes = pipeline is None or pipeline.lora
    for number, adapter in enumerate(settings.adapters):
        key = f"adapters[{number}]"
        there = subject.at(adapter.checkpoint, adapter.revision)
        try:
            file = adapter_file(adapter, there, "pickled weights" in settings.allow)
            by_peft = peft_config(there, file) is not None
        except ModelError as error:
            yield ModelError(f"{key}: {error.message}", hint=error.hint)
            continue
        if by_peft and takes and pipeline is not None:
            yield ModelError(
                f"{key}: {adapter.checkpoint} is in peft's layout, and {whose} takes "
                "diffusers' own",
                hint="save it with pipeline.save_lora_weights(folder, …)",
            )
        if not takes and not ({"unet", "transformer"} & subject.components.keys()):
            yield ModelError(f"{key}: {whose} takes no LoRA", hint="leave it out")
        elif not takes and not by_peft:
            yield ModelError(
                f"{key}: {whose} takes a LoRA in peft's layout only, and {file} of "
                f"{adapter.checkpoint} is in another, or has no adapter_config.json beside it",
                hint="name a folder that peft's save_pretrained or `synpic train` wrote; where it "
                'holds both, file = "adapter_model.safetensors"',
            )
