"""Checkpoints opened in parts, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synpic.errors import ModelError, SynpicError
from synpic.recipe import ModelSettings
from synpic.train.model import Checkpoint, Reference, find_checkpoint, prepare_tuning
from synpic.train.settings import NoiseSettings, TuningSettings
from tests.train.families.opening import KINDS

Folder = Callable[[str], Path]


def checkpoint(folder: Path, **settings: Any) -> Checkpoint:
    return find_checkpoint(ModelSettings(checkpoint=str(folder), **settings))


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_opened_as_they_are_needed(kind: str, saved: Folder) -> None:
    found = checkpoint(saved(kind), dtype="bfloat16")
    family = found.family(NoiseSettings())
    encoders = found.encoders(family, "cpu")
    assert getattr(encoders, family.denoiser) is None
    assert encoders.vae.dtype == torch.float32
    assert encoders.text_encoder.dtype == torch.bfloat16
    denoiser = found.denoiser(family, torch.float32)
    drawing = found.drawing(family, denoiser, "cpu")
    assert getattr(drawing, family.denoiser) is denoiser
    assert drawing.text_encoder is None
    whole = found.whole(family, denoiser)
    assert getattr(whole, family.denoiser).dtype == torch.bfloat16
    assert whole.vae.dtype == torch.bfloat16
    assert whole.text_encoder is not None


def test_samples_are_drawn_by_the_scheduler_of_the_recipe(saved: Folder) -> None:
    options = {"timestep_spacing": "trailing"}
    found = checkpoint(saved("sd"), scheduler="EulerDiscreteScheduler", scheduler_options=options)
    family = found.family(NoiseSettings())
    drawing = found.drawing(family, found.denoiser(family, torch.float32), "cpu")
    assert type(drawing.scheduler).__name__ == "EulerDiscreteScheduler"
    assert drawing.scheduler.config.timestep_spacing == "trailing"


def test_a_part_that_cannot_be_read_is_named(copied: Folder) -> None:
    folder = copied("sd")
    found = checkpoint(folder)
    family = found.family(NoiseSettings())
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="unet cannot be opened"):
        found.denoiser(family, torch.float32)
    (folder / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(SynpicError, match="scheduler cannot be opened"):
        checkpoint(folder).family(NoiseSettings())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_reference_stays_what_the_model_was(method: str, saved: Folder) -> None:
    found = checkpoint(saved("sd"))
    family = found.family(NoiseSettings())
    denoiser = found.denoiser(family, torch.float32)
    given = (torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 5, 8))
    before = denoiser(*given, return_dict=False)[0].detach()
    reference = Reference(denoiser, method, torch.float32)
    prepare_tuning(denoiser, family, TuningSettings(method=method))
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if parameter.requires_grad:
                parameter += 0.05
    after = denoiser(*given, return_dict=False)[0]
    with reference.model() as frozen:
        said = frozen(*given, return_dict=False)[0]
    assert torch.equal(said, before)
    assert not said.requires_grad
    assert not torch.allclose(after, before, atol=1e-3)
    assert torch.equal(denoiser(*given, return_dict=False)[0], after)
