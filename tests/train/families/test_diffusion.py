from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.families.sd import TrainableStableDiffusion
from synpic.train.settings import NoiseSettings
from tests.train.families.opening import file_of

ZERO_SNR = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}

SCHEDULERS = [
    diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    diffusers.DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"),
    diffusers.DDIMScheduler(**ZERO_SNR),
    diffusers.PNDMScheduler(num_train_timesteps=50),
    diffusers.EulerDiscreteScheduler(trained_betas=[0.01, 0.02, 0.4, 0.5]),
    diffusers.DPMSolverMultistepScheduler(prediction_type="v_prediction"),
]


def family(
    scheduler: dict[str, Any], options: Any = None, **noise: Any
) -> TrainableStableDiffusion:
    settings = ModelSettings(checkpoint="it", scheduler_options=options or {})
    return TrainableStableDiffusion(settings, scheduler, NoiseSettings(**noise))


def images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    latents, noise = torch.randn(2, count, 4, 2, 3, generator=generator).unbind()
    return latents, noise


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda s: type(s).__name__)
def test_noise_and_targets_are_those_of_the_scheduler(scheduler: Any) -> None:
    ours = family(file_of(scheduler))
    steps = len(scheduler.betas)
    times = torch.tensor([0, 1, 2, steps // 2, steps - 2, steps - 1])
    latents, noise = images(6)
    noisy, target = ours.add_noise(latents, noise, times.float())
    # By hand, in double precision, from nothing but the scheduler's betas.
    kept = np.cumprod(1 - scheduler.betas.double().numpy())[times.numpy()][:, None, None, None]
    signal, level = np.sqrt(kept), np.sqrt(1 - kept)
    x, e = latents.double().numpy(), noise.double().numpy()
    np.testing.assert_allclose(noisy, signal * x + level * e, atol=1e-5)
    if scheduler.config.prediction_type == "epsilon":
        np.testing.assert_array_equal(target, noise)
    else:
        np.testing.assert_allclose(target, signal * e - level * x, atol=1e-5)
        # And back: v and the noisy image hold the image, at every level.
        np.testing.assert_allclose(signal * noisy.numpy() - level * target.numpy(), x, atol=1e-5)
    reference = diffusers.DDPMScheduler.from_config(scheduler.config)
    assert torch.equal(noisy, reference.add_noise(latents, noise, times))


def test_the_last_step_of_a_zero_snr_schedule_is_nothing_but_noise() -> None:
    latents, noise = images(1)
    noisy, target = family(file_of(SCHEDULERS[2])).add_noise(latents, noise, torch.tensor([999.0]))
    torch.testing.assert_close(noisy, noise)
    torch.testing.assert_close(target, -latents)


def test_what_a_file_leaves_out_is_as_its_own_class_has_it() -> None:
    # LCMScheduler's betas are scaled_linear from 0.00085; DDPMScheduler's own are not.
    latents, noise = images(2)
    times = torch.tensor([10, 700])
    noisy, _ = family({"_class_name": "LCMScheduler"}).add_noise(latents, noise, times.float())
    torch.testing.assert_close(noisy, diffusers.LCMScheduler().add_noise(latents, noise, times))


def test_the_recipes_scheduler_options_are_heard() -> None:
    # A checkpoint whose file says ε and which predicts v draws with them, so it trains with them.
    latents, noise = images(1)
    file = file_of(diffusers.DDIMScheduler())
    given, stated = family(file, ZERO_SNR), family({**file, **ZERO_SNR})
    times = torch.tensor([500.0])
    for one, other in zip(
        given.add_noise(latents, noise, times),
        stated.add_noise(latents, noise, times),
        strict=True,
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_images_and_not_the_schedule(dtype: torch.dtype) -> None:
    ours = family(file_of(SCHEDULERS[1]))
    latents, noise = (value.to(dtype) for value in images(2))
    times = torch.tensor([0.0, 1.0])
    for half, single in zip(
        ours.add_noise(latents, noise, times),
        ours.add_noise(latents.float(), noise.float(), times),
        strict=True,
    ):
        assert half.dtype == dtype
        assert torch.equal(half, single.to(dtype))


def test_times_are_whole_uniform_and_repeatable() -> None:
    ours = family({"_class_name": "DDIMScheduler", "num_train_timesteps": 5}, density="uniform")
    drawn = ours.sample_times(torch.Generator().manual_seed(3), 5000)
    assert drawn.dtype == torch.float32
    assert drawn.device.type == "cpu"
    values, counts = drawn.unique(return_counts=True)
    assert values.tolist() == [0, 1, 2, 3, 4]
    # Five standard deviations of a count of 1000.
    assert (counts - 1000).abs().max() < 142
    assert torch.equal(drawn, ours.sample_times(torch.Generator().manual_seed(3), 5000))


@pytest.mark.parametrize(
    ("key", "value"), [("density", "logit-normal"), ("mean", 0.0), ("std", 1.0), ("shift", 3.0)]
)
def test_settings_of_rectified_flow_are_refused(key: str, value: Any) -> None:
    with pytest.raises(TrainingError, match=rf"^noise\.{key}: "):
        family({"_class_name": "DDIMScheduler"}, **{key: value})


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "no schedule of noise"),
        ({"_class_name": "EDMEulerScheduler"}, "no schedule of noise"),
        ({"_class_name": "NoSuchScheduler"}, "NoSuchScheduler"),
        ({"_class_name": "DDIMScheduler", "prediction_type": "sample"}, "predicts 'sample'"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}, "'flow'"),
    ],
)
def test_what_cannot_be_trained_is_told(scheduler: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        family(scheduler)
