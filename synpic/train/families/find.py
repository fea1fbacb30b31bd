"""Which family trains a checkpoint, by the class of pipeline that saved it."""

from __future__ import annotations

from importlib import import_module

from synpic.errors import TrainingError
from synpic.train.families.family import TrainableFamily

__all__ = ["FAMILIES", "family_of"]

FAMILIES = {
    "StableDiffusionPipeline": "sd:TrainableStableDiffusion",
    "StableDiffusionXLPipeline": "sdxl:TrainableStableDiffusionXL",
    "StableDiffusion3Pipeline": "sd3:TrainableStableDiffusion3",
    "PixArtSigmaPipeline": "pixart_sigma:TrainablePixArtSigma",
}
"""``_class_name`` in a checkpoint's model_index.json → module and class, imported on demand."""


def family_of(pipeline: str, checkpoint: str = "") -> type[TrainableFamily]:
    """The family of checkpoints that the class ``pipeline`` of diffusers has saved.

    Args:
        checkpoint: what the message calls it.

    Raises:
        TrainingError: none knows it.
    """
    if pipeline not in FAMILIES:
        raise TrainingError(
            f"{checkpoint or 'the checkpoint'} is a {pipeline}, which synpic cannot train",
            hint=f"checkpoints that can be trained are of {', '.join(sorted(FAMILIES))}",
        )
    module, _, name = FAMILIES[pipeline].partition(":")
    found: type[TrainableFamily] = getattr(import_module(f"synpic.train.families.{module}"), name)
    return found
