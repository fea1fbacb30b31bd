from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import compute_density_for_timestep_sampling
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.families.sd3 import TrainableStableDiffusion3
from synpic.train.settings import NoiseSettings
from tests.train.families.opening import file_of

COUNT = 2000


def family(scheduler: Any = None, **noise: Any) -> TrainableStableDiffusion3:
    config = file_of(scheduler or FlowMatchEulerDiscreteScheduler())
    return TrainableStableDiffusion3(ModelSettings(checkpoint="it"), config, NoiseSettings(**noise))


def levels(ours: TrainableStableDiffusion3, seed: int = 0) -> torch.Tensor:
    times = ours.sample_times(torch.Generator().manual_seed(seed), COUNT)
    assert times.dtype == torch.float32
    assert times.device.type == "cpu"
    assert ((times >= 0) & (times <= 1000)).all()
    return times / 1000


@pytest.mark.parametrize(
    ("noise", "scheme", "mean", "std"),
    [
        ({}, "logit_normal", 0.0, 1.0),
        ({"density": "logit-normal", "mean": 0.5}, "logit_normal", 0.5, 1.0),
        ({"mean": -1.0, "std": 0.6}, "logit_normal", -1.0, 0.6),
        ({"density": "uniform"}, "none", None, None),
    ],
)
def test_densities_are_those_of_diffusers(
    noise: dict[str, Any], scheme: str, mean: float | None, std: float | None
) -> None:
    expected = compute_density_for_timestep_sampling(
        scheme, COUNT, mean, std, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(levels(family(**noise)), expected)


def test_a_positive_mean_is_towards_noise() -> None:
    assert levels(family(mean=1.0)).median() > 0.7
    assert levels(family(mean=-1.0)).median() < 0.3


@pytest.mark.parametrize("noise", [{}, {"density": "uniform"}])
def test_shifted_levels_are_the_schedulers_sigmas(noise: dict[str, Any]) -> None:
    shifted = FlowMatchEulerDiscreteScheduler(shift=3.0)
    plain = FlowMatchEulerDiscreteScheduler(shift=1.0)
    # Both run from 1 down, step by step: one is a function of the other.
    expected = np.interp(
        levels(family(plain, **noise)), plain.sigmas.flip(0), shifted.sigmas.flip(0)
    )
    found = levels(family(shifted, **noise))
    inside = levels(family(plain, **noise)) >= 0.001  # the scheduler's smallest
    np.testing.assert_allclose(found[inside], expected[inside], atol=2e-5)
    assert torch.equal(levels(family(plain, shift=3.0, **noise)), found)
    assert torch.equal(levels(family(shifted, shift=1.0, **noise)), levels(family(plain, **noise)))


def test_noise_is_that_of_the_scheduler() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    times = scheduler.timesteps[[0, 1, 500, 998, 999]]
    latents, noise = torch.randn(2, 5, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    noisy, target = family(scheduler).add_noise(latents, noise, times)
    torch.testing.assert_close(noisy, scheduler.scale_noise(latents, times, noise))
    assert torch.equal(target, noise - latents)


def test_a_step_of_the_sampler_along_the_target_ends_at_the_image() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(2)
    latents, noise = torch.randn(2, 1, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    noisy, target = family(scheduler).add_noise(latents, noise, scheduler.timesteps[1:])
    scheduler.set_begin_index(1)
    back = scheduler.step(target, scheduler.timesteps[1], noisy).prev_sample
    torch.testing.assert_close(back, latents)


@given(st.floats(0, 1000, width=32), st.floats(-5, 5, width=32), st.floats(-5, 5, width=32))
def test_the_image_can_be_had_back(time: float, latent: float, noise: float) -> None:
    x, e = torch.full((1, 1, 1, 1), latent), torch.full((1, 1, 1, 1), noise)
    noisy, target = family().add_noise(x, e, torch.tensor([time]))
    torch.testing.assert_close(noisy - time / 1000 * target, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_images_and_not_the_schedule(dtype: torch.dtype) -> None:
    ours = family()
    latents, noise = (value.to(dtype) for value in torch.randn(2, 2, 4, 2, 3))
    times = torch.tensor([998.7, 1.5])
    for half, single in zip(
        ours.add_noise(latents, noise, times),
        ours.add_noise(latents.float(), noise.float(), times),
        strict=True,
    ):
        assert half.dtype == dtype
        assert torch.equal(half, single.to(dtype))


def test_sampling_is_repeatable() -> None:
    assert torch.equal(levels(family(), 5), levels(family(), 5))
    assert not torch.equal(levels(family(), 5), levels(family(), 6))


@pytest.mark.parametrize("key", ["mean", "std"])
def test_the_uniform_density_has_no_parameters(key: str) -> None:
    with pytest.raises(TrainingError, match=rf"^noise\.{key}: "):
        family(density="uniform", **{key: 1.0})


def test_a_shift_by_size_has_to_be_replaced_by_one() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    with pytest.raises(TrainingError, match=r"^noise\.shift: "):
        family(scheduler)
    # What the file says beside it is of no account then.
    found = family(FlowMatchEulerDiscreteScheduler(shift=9.0, use_dynamic_shifting=True), shift=3.0)
    assert torch.equal(levels(found), levels(family(shift=3.0)))


def test_a_scheduler_of_another_kind_is_refused() -> None:
    with pytest.raises(TrainingError, match="DDIMScheduler"):
        TrainableStableDiffusion3(
            ModelSettings(checkpoint="it"), {"_class_name": "DDIMScheduler"}, NoiseSettings()
        )


def test_the_recipes_scheduler_options_count() -> None:
    def of(**options: Any) -> TrainableStableDiffusion3:
        settings = ModelSettings(checkpoint="it", scheduler_options=options)
        return TrainableStableDiffusion3(
            settings, file_of(FlowMatchEulerDiscreteScheduler(shift=1.0)), NoiseSettings()
        )

    assert torch.equal(levels(of(shift=3.0)), levels(family(shift=3.0)))
    assert not torch.equal(levels(of(shift=3.0)), levels(of()))
    with pytest.raises(TrainingError, match=r"^noise\.shift: "):
        of(use_dynamic_shifting=True)
