"""Adapters on any denoiser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.adapters import add_adapters, check_targets, merge_adapters, without_adapters
from synpic.train.settings import NoiseSettings, TuningSettings
from synpic.train.trainable_checkpoint import find_checkpoint, prepare_tuning, trained
from tests.train.families.opening import KINDS

Folder = Callable[[str], Path]


def opened(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    checkpoint = find_checkpoint(ModelSettings(checkpoint=str(folder)))
    family = checkpoint.family(NoiseSettings())
    return family, checkpoint.denoiser(family, dtype)


def ask(denoiser: Any) -> torch.Tensor:
    layer = next(module for module in denoiser.modules() if hasattr(module, "to_q"))
    width = layer.to_q.in_features
    values = torch.linspace(-1, 1, 3 * width).reshape(3, width)
    said: torch.Tensor = layer.to_q(values.to(layer.to_q.weight.dtype))
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_begin_without_effect_and_can_be_switched_off_and_merged(
    kind: str, saved: Folder
) -> None:
    family, denoiser = opened(saved(kind))
    names = [name for name, _ in denoiser.named_parameters()]
    before = ask(denoiser)
    denoiser.requires_grad_(False)
    add_adapters(denoiser, family, TuningSettings(rank=2, alpha=6))
    assert torch.equal(ask(denoiser), before)
    for name, parameter in trained(denoiser).items():
        assert "lora_" in name
        torch.nn.init.normal_(parameter, std=0.3)
    adapted = ask(denoiser)
    assert (adapted - before).abs().max() > 0.01
    with pytest.raises(KeyError), without_adapters(denoiser):
        assert torch.equal(ask(denoiser), before)
        raise KeyError
    assert torch.equal(ask(denoiser), adapted)
    assert trained(denoiser)
    merge_adapters(denoiser)
    assert torch.allclose(ask(denoiser), adapted, atol=1e-5)
    assert [name for name, _ in denoiser.named_parameters()] == names


def test_adapters_are_float32_on_a_model_in_half_precision(saved: Folder) -> None:
    family, denoiser = opened(saved("sd3"), torch.bfloat16)
    prepare_tuning(denoiser, family, TuningSettings())
    assert {p.dtype for p in trained(denoiser).values()} == {torch.float32}
    assert next(denoiser.parameters()).dtype == torch.bfloat16
    assert all("lora_" in name for name in trained(denoiser))


def test_all_weights_are_trained_where_all_are_wanted(saved: Folder) -> None:
    family, denoiser = opened(saved("sd"))
    prepare_tuning(denoiser, family, TuningSettings(method="full"))
    assert len(trained(denoiser)) == len(list(denoiser.parameters()))


@pytest.mark.parametrize("target", ["to_quark", "o_q", "norm1", "mid_block"])
def test_layers_that_are_not_there_are_told_with_those_that_are(target: str, saved: Folder) -> None:
    checkpoint = find_checkpoint(ModelSettings(checkpoint=str(saved("sd"))))
    skeleton = checkpoint.skeleton(checkpoint.family(NoiseSettings()))
    assert all(parameter.is_meta for parameter in skeleton.parameters())
    check_targets(skeleton, TuningSettings(targets=["to_q", "attn2.to_out.0", "conv_in"]))
    with pytest.raises(TrainingError, match=f"no layer '{target}'") as caught:
        check_targets(skeleton, TuningSettings(targets=["to_q", target]))
    hint = str(caught.value.hint)
    assert "to_out.0" in hint
    assert "conv1" in hint
    assert "norm1" not in hint
