"""The denoiser is told by us what its pipeline tells it, whatever the family."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor

from synpic.errors import TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.families.find import family_name, find_family
from synpic.train.settings import NoiseSettings
from tests.generate.tiny import ALWAYS, SIDE
from tests.train.families.opening import KINDS, family, index, pipeline

Folder = Callable[[str], Path]

PROMPTS = ["a red circle", "two BLUE squares above (a green star)", "b"]
WIDTH = 2 * SIDE
CROP = [40, 70, 3, 5, SIDE, WIDTH]
"""Six different numbers: none can be taken for another."""
MICRO = {"original_size": (40, 70), "crops_coords_top_left": (3, 5), "target_size": (SIDE, WIDTH)}
SHORT = {"sd3": 9, "sd3_without_t5": 9, "pixart_sigma": 20}
"""Other than the pipelines' defaults, so that the recipe's ``call`` is seen to be heard."""


def settings(kind: str, **others: Any) -> ModelSettings:
    call = {"max_sequence_length": SHORT[kind]} if kind in SHORT else {}
    return ModelSettings(checkpoint=kind, call=call, **others)


def call(kind: str) -> dict[str, Any]:
    """How the pipelines are called, as synpic.generate calls them."""
    arguments = {"height": SIDE, "width": WIDTH, "output_type": "np", **settings(kind).call}
    arguments |= ALWAYS.get(kind, {})
    if kind == "sdxl":
        arguments |= MICRO
    return arguments


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(len(PROMPTS))]


def heard(denoiser: Any, ask: Callable[[], Any]) -> tuple[dict[str, Any], Tensor]:
    """What the denoiser is told while ``ask`` runs, by the names it has for it; what it says."""
    seen: list[tuple[dict[str, Any], Tensor]] = []
    signature = inspect.signature(type(denoiser).forward)

    def listen(module: Any, args: Any, kwargs: Any, said: Any) -> None:
        told = dict(signature.bind(module, *args, **kwargs).arguments)
        told.pop("self")
        told |= told.pop("added_cond_kwargs", None) or {}
        seen.append(({name: v for name, v in told.items() if v is not None}, said[0]))

    hook = denoiser.register_forward_hook(listen, with_kwargs=True)
    try:
        ask()
    finally:
        hook.remove()
    assert len(seen) == 1
    return seen[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_denoiser_is_told_what_its_pipeline_tells_it(kind: str, saved: Folder) -> None:
    whole = pipeline(saved(kind))
    ours = family(saved(kind), settings(kind))
    denoiser = getattr(whole, ours.denoiser)
    expected, said = heard(
        denoiser,
        lambda: whole(
            PROMPTS, num_inference_steps=1, guidance_scale=1.0, generator=seeds(), **call(kind)
        ),
    )
    encoded = ours.encode_prompts(pipeline(saved(kind), ours.denoiser), PROMPTS)
    crops = torch.tensor([CROP] * len(PROMPTS))
    noisy = expected.get("hidden_states", expected.get("sample"))
    assert noisy is not None
    times = expected["timestep"].float().expand(len(PROMPTS))
    predicted = []
    told, _ = heard(
        denoiser,
        lambda: predicted.append(ours.predict(denoiser, noisy, times, encoded, crops)),
    )

    assert told.keys() == expected.keys()
    for name, value in told.items():
        if isinstance(value, Tensor):
            wanted = expected[name].expand(value.shape)
            torch.testing.assert_close(value, wanted, rtol=0, atol=1e-6, check_dtype=False)
        else:
            assert value == expected[name]
    torch.testing.assert_close(predicted[0], said[:, : noisy.shape[1]], rtol=0, atol=1e-6)
    assert predicted[0].shape == noisy.shape


@pytest.mark.parametrize("kind", KINDS)
def test_each_prompt_is_heard_by_itself(kind: str, saved: Folder) -> None:
    ours = family(saved(kind), settings(kind))
    without = pipeline(saved(kind), ours.denoiser)
    together = ours.encode_prompts(without, PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        alone = ours.encode_prompts(without, [prompt])
        assert alone.keys() == together.keys()
        for name, value in alone.items():
            torch.testing.assert_close(value[0], together[name][row], rtol=0, atol=1e-6)
            assert not value.requires_grad
            assert not value.is_inference()
            assert value.device.type == "cpu"


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_embeddings_are_pictures_of_prompts(kind: str, saved: Folder) -> None:
    ours = family(saved(kind), settings(kind))
    without = pipeline(saved(kind), ours.denoiser)
    encoded = ours.encode_prompts(without, PROMPTS)
    empty = ours.encode_prompts(without, [""] * len(PROMPTS))
    how = {"num_inference_steps": 2, "guidance_scale": 4.0}
    expected = pipeline(saved(kind))(PROMPTS, generator=seeds(), **how, **call(kind)).images
    silent = pipeline(saved(kind), "text_encoder", "tokenizer")
    drawn = silent(
        **{**call(kind), **how, **ours.drawing(encoded, empty)}, generator=seeds()
    ).images
    torch.testing.assert_close(torch.tensor(drawn), torch.tensor(expected), rtol=0, atol=1e-5)
    # Two of the pictures differ, or the prompts would not have been heard.
    assert abs(drawn[0] - drawn[1]).max() > 1e-3


def test_an_empty_prompt_of_sdxl_is_what_guidance_sets_off_from(saved: Folder) -> None:
    without = pipeline(saved("sdxl"), "unet")
    zeros = family(saved("sdxl")).encode_prompts(without, ["", "b"])
    assert all(not value[0].any() and value[1].any() for value in zeros.values())
    # With a negative prompt, guidance sets off from that, and "" is a text like others.
    spoken = family(saved("sdxl"), settings("sdxl", negative_prompt="")).encode_prompts(
        without, ["", "b"]
    )
    assert all(value[0].any() for value in spoken.values())
    without.register_to_config(force_zeros_for_empty_prompt=False)
    asked = family(saved("sdxl")).encode_prompts(without, ["", "b"])
    assert all(torch.equal(value, spoken[name]) for name, value in asked.items())


def test_sizes_are_told_in_the_order_of_the_pipeline(saved: Folder) -> None:
    whole = pipeline(saved("sdxl"))
    expected = whole._get_add_time_ids(
        *MICRO.values(), dtype=torch.float32, text_encoder_projection_dim=8
    )
    ours = family(saved("sdxl"))
    encoded = ours.encode_prompts(whole, ["b"])
    noisy, times, crops = torch.zeros(1, 4, 8, 16), torch.zeros(1), torch.tensor([CROP])
    told, _ = heard(whole.unet, lambda: ours.predict(whole.unet, noisy, times, encoded, crops))
    assert torch.equal(told["time_ids"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_with_adapters_in_single(kind: str, saved: Folder) -> None:
    ours = family(saved(kind), settings(kind))
    encoded = ours.encode_prompts(pipeline(saved(kind), ours.denoiser), PROMPTS)
    denoiser = getattr(pipeline(saved(kind)), ours.denoiser)
    noisy = torch.randn(3, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    times, crops = torch.tensor([10.0, 10.0, 700.0]), torch.tensor([CROP] * 3)
    with torch.no_grad():
        expected = ours.predict(denoiser, noisy, times, encoded, crops)
    denoiser.requires_grad_(False).to(torch.bfloat16)
    # PixArt's transformer has no add_adapter.
    peft.inject_adapter_in_model(peft.LoraConfig(r=2, target_modules=list(ours.adapted)), denoiser)
    adapted = [p for p in denoiser.parameters() if p.requires_grad]
    for parameter in adapted:
        parameter.data = parameter.data.float()
    predicted = ours.predict(denoiser, noisy, times, encoded, crops)
    scale = expected.square().mean().sqrt()
    assert (predicted - expected).square().mean().sqrt() < 0.05 * scale
    predicted.float().square().mean().backward()
    assert all(parameter.grad is not None for parameter in adapted)


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_to_adapt_is_there(kind: str, saved: Folder) -> None:
    ours = family(saved(kind))
    names = [name for name, _ in getattr(pipeline(saved(kind)), ours.denoiser).named_modules()]
    for target in ours.adapted:
        assert any(name.endswith(f".{target}") for name in names)
    assert hasattr(pipeline(saved(kind)), "load_lora_weights") == ours.lora_mixin


def test_an_sd3_without_its_t5_has_to_know_the_width(saved: Folder) -> None:
    folder = saved("sd3_without_t5")
    kind = find_family(family_name(index(folder)["_class_name"]))
    scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
    ours = kind(ModelSettings(checkpoint="it"), scheduler, NoiseSettings())
    with pytest.raises(TrainingError, match="it has no T5"):
        ours.encode_prompts(pipeline(folder, "transformer"), ["b"])


@pytest.mark.parametrize(("call", "cleaned"), [({}, False), ({"clean_caption": True}, True)])
def test_captions_are_cleaned_if_the_recipe_says_so(
    call: dict[str, Any], cleaned: bool, saved: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Cleaning needs packages that are not here, so the asking is what can be seen.
    without = pipeline(saved("pixart_sigma"), "transformer")
    asked: list[bool] = []
    monkeypatch.setattr(
        without,
        "_text_preprocessing",
        lambda text, clean_caption: asked.append(clean_caption) or text,
    )
    ours = family(saved("pixart_sigma"), ModelSettings(checkpoint="it", call=call))
    ours.encode_prompts(without, ["b"])
    assert asked == [cleaned]


@pytest.mark.parametrize("key", ["clip_skip", "prompt_2", "prompt_3"])
def test_what_changes_a_prompt_on_its_way_is_refused(key: str, saved: Folder) -> None:
    with pytest.raises(TrainingError, match=rf"model\.call\.{key}"):
        family(saved("sd3"), ModelSettings(checkpoint="it", call={key: 1}))


def test_latents_of_sdxl_are_what_its_pipeline_decodes(
    saved: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An autoencoder may say mean and deviation of each channel, as playground-v2.5's does."""
    whole, ours = pipeline(saved("sdxl")), family(saved("sdxl"))
    whole.vae.register_to_config(latents_mean=[-1.0, 0.5, 2.0, 0.0], latents_std=[8.0, 5.0, 1.0, 2])
    pixels = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = ours.encode_images(whole, pixels)
    raw = whole.vae.encode(pixels).latent_dist.mode()
    assert not torch.allclose(latents, raw * whole.vae.config.scaling_factor)
    decoded: list[torch.Tensor] = []
    decode = whole.vae.decode
    monkeypatch.setattr(whole.vae, "decode", lambda z, **how: decoded.append(z) or decode(z, **how))
    monkeypatch.setattr(whole.scheduler, "step", lambda *_, **__: (latents,))
    whole(["a", "b"], num_inference_steps=1, height=16, width=24)
    torch.testing.assert_close(decoded[0], raw, rtol=1e-4, atol=1e-4)


def test_an_sd3_has_places_for_so_many_pixels(saved: Folder) -> None:
    ours = family(saved("sd3"))
    ours.check_size((256, 256))
    with pytest.raises(TrainingError, match=r"272x64 pixels are too large: .* 256 each") as caught:
        ours.check_size((64, 272))
    assert "data.size" in str(caught.value.hint)
    family(saved("sdxl")).check_size((10_000, 10_000))
