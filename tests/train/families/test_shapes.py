"""The embedded models: what they were trained for is what the trainer measures."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from research.shapes import jobs
from synpic.shapes.models import MMDIT_SMALL, PIXART, UNET
from synpic.shapes.scene import random_scene
from tests.train.families.opening import family, pipeline

WEIGHTS = Path(str(files("synpic.shapes") / "weights"))

MODELS = {
    "mmdit_small": (MMDIT_SMALL.settings, "build_mmdit", 0.2),
    "unet": (UNET.settings, "build_unet", 0.4),
    "pixart": (PIXART.settings, "build_pixart", 0.45),
}
"""Settings, what of research.shapes.jobs builds it, and how much is left of the error of a model
that always says zero; measured 0.13, 0.25 and 0.32."""
COUNT = 48


def flow_times() -> torch.Tensor:
    """As :func:`research.shapes.jobs.flow_job` draws them."""
    return torch.sigmoid(0.2 + 1.2 * torch.randn(COUNT)) * 1000


@pytest.mark.parametrize("name", MODELS)
def test_errors_are_those_of_their_own_training(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, builder, share = MODELS[name]
    folder = WEIGHTS / name
    trained = pipeline(folder)
    monkeypatch.setattr(jobs, builder, lambda *_, **__: trained)
    job = jobs.JOBS[name](folder / "vae")
    ours = family(folder, settings)
    denoiser = getattr(trained, ours.denoiser)
    without = pipeline(folder, ours.denoiser)
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            expected = job.loss(np.random.default_rng(seed), COUNT)

            # The same pictures, texts, noise and times, in the order in which the job draws them.
            torch.manual_seed(seed)
            pixels, texts = jobs.captioned(np.random.default_rng(seed), COUNT)
            latents = ours.encode_images(without, pixels)
            noise = torch.randn_like(latents)
            times = flow_times() if "mmdit" in name else torch.randint(0, 1000, (COUNT,)).float()
            noisy, target = ours.add_noise(latents, noise, times)
            encoded = ours.encode_prompts(without, texts)
            crops = torch.zeros(COUNT, 6, dtype=torch.long)
            found = (ours.predict(denoiser, noisy, times, encoded, crops) - target).square()
        torch.testing.assert_close(found.mean(), expected, rtol=1e-4, atol=0)
        assert found.mean() < share * target.square().mean()
        # What a prompt says is heard: with another's the error is twice as large and more.
        with torch.no_grad():
            others = {key: value.roll(1, 0) for key, value in encoded.items()}
            other = ours.predict(denoiser, noisy, times, others, crops)
        assert (other - target).square().mean() > 2 * found.mean()


def test_latents_decode_to_the_picture() -> None:
    folder = WEIGHTS / "unet"
    without = pipeline(folder, "unet")
    pixels = jobs.to_tensor([random_scene(np.random.default_rng(i)) for i in range(8)])
    with torch.no_grad():
        latents = family(folder, UNET.settings).encode_images(without, pixels)
        back = without.vae.decode(latents / without.vae.config.scaling_factor).sample
    assert latents.shape == (8, 4, 8, 8)
    # Measured: 0.02 of how far pixels are from their mean.
    assert (back - pixels).abs().mean() < 0.04 * (pixels - pixels.mean()).abs().mean()


@pytest.mark.parametrize("shift", [0.06, None])
def test_latents_are_shifted_before_they_are_scaled(shift: float | None) -> None:
    folder = WEIGHTS / "unet"
    without = pipeline(folder, "unet")
    pixels = jobs.to_tensor([random_scene(np.random.default_rng(0))])
    with torch.no_grad():
        raw = without.vae.encode(pixels).latent_dist.mode()
        without.vae.register_to_config(scaling_factor=1.5305, shift_factor=shift)
        latents = family(folder, UNET.settings).encode_images(without, pixels)
    # SD3's pipeline decodes (latents / scaling_factor) + shift_factor.
    torch.testing.assert_close(latents / 1.5305 + (shift or 0.0), raw)
    assert latents.dtype == torch.float32
