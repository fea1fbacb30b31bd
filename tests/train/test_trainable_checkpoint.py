"""Checkpoints opened in parts, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from synpic.errors import ModelError, SynpicError
from synpic.recipe.settings import ModelSettings
from synpic.train.settings import NoiseSettings, TuningSettings
from synpic.train.trainable_checkpoint import (
    Reference,
    TrainableCheckpoint,
    find_checkpoint,
    prepare_tuning,
    trained,
)
from tests.train.families.opening import KINDS

Folder = Callable[[str], Path]


def checkpoint(folder: Path, **settings: Any) -> TrainableCheckpoint:
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
    assert found.merged(family, denoiser, TuningSettings(method="full")) is denoiser


def test_the_autoencoder_is_not_rounded(saved: Folder) -> None:
    found = checkpoint(saved("sd"), dtype="bfloat16")
    vae = found.encoders(found.family(NoiseSettings()), "cpu").vae
    kept = load_file(saved("sd") / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(value, kept[name]) for name, value in vae.state_dict().items())


def test_adapters_trained_in_half_precision_are_merged_in_single(saved: Folder) -> None:
    found, tuning = checkpoint(saved("sd"), dtype="bfloat16"), TuningSettings(rank=2)
    family = found.family(NoiseSettings())
    denoiser = found.denoiser(family, torch.bfloat16)
    prepare_tuning(denoiser, family, tuning)
    for parameter in trained(denoiser).values():
        torch.nn.init.constant_(parameter, 0.01)
    before = found.denoiser(family, torch.float32).state_dict()
    after = found.merged(family, denoiser, tuning).state_dict()
    assert after.keys() == before.keys()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    for name in changed:
        added = torch.full_like(before[name], 2 * 0.01 * 0.01)
        torch.testing.assert_close(after[name], before[name] + added, rtol=0, atol=1e-7)
    assert all(name in changed for name in after if name.endswith("attn1.to_q.weight"))
    assert trained(denoiser), "what was trained is left as it is"


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
