from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from synpic.errors import ModelError
from synpic.generate.family import Family
from synpic.generate.stable_cascade import _names_of_old
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate.tiny import ALWAYS, SIDE, side
from tests.grids import slow_but

Folder = Callable[[str], Path]
Pixels = NDArray[np.float32]

KINDS = {
    "sd": "sd",
    "sd21": "sd",
    "sdxl": "sdxl",
    "sd3": "sd3",
    "sd3_without_t5": "sd3",
    "sd35": "sd3",
    "pixart_sigma": "pixart_sigma",
    "stable_cascade": "stable_cascade",
    "flux": "auto",
    "sana": "auto",
}
"""Builder → family."""

FAST = {"sd", "sd3", "pixart_sigma", "stable_cascade", "flux"}
"""Of the builders one for each way to draw; the slow tests have all."""

SANA = {
    "use_resolution_binning": False,
    # Else 300 tokens that tell the language model what to do come before each prompt.
    "complex_human_instruction": [],
}

PROMPTS = ["a red circle", "two blue squares above a green star", "b", "a red circle"]
SEEDS = [1, 2**53 - 1, 3, 4]

SAME = 1e-4
"""How far company in a batch may move a pixel in [0, 1]: a fortieth of a step of 8 bits. Measured:
1e-6, and 7e-6 for Stable Cascade, which takes fresh noise at every step. Order moves nothing."""


def opened(family: str, folder: Path, **settings: Any) -> Any:
    made: type[Family] = FAMILIES.load(family)
    if folder.name == "sana":
        settings = {"call": SANA, **settings}
    complete = ModelSettings(**{"checkpoint": str(folder), "steps": 2, **settings})
    return made(complete, str(folder), None, "cpu")


def drawn(family: Any, kind: str, which: slice = slice(None)) -> Pixels:
    pixels: Pixels = family.draw(PROMPTS[which], SEEDS[which], side(kind), side(kind))
    return pixels


def apart(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("kind", slow_but(FAST, KINDS))
def test_an_image_is_its_prompt_and_its_seed(kind: str, saved: Folder) -> None:
    family = opened(KINDS[kind], saved(kind))
    batch = drawn(family, kind)
    assert batch.shape == (4, side(kind), side(kind), 3)
    assert batch.dtype == np.float32
    assert batch.min() >= 0
    assert batch.max() <= 1
    for place in range(4):
        alone = drawn(family, kind, slice(place, place + 1))
        assert apart(alone[0], batch[place]) <= SAME
    assert apart(drawn(family, kind, slice(None, None, -1))[::-1], batch) <= SAME
    # One prompt at two seeds, and two prompts at one seed.
    assert apart(batch[0], batch[3]) > 0.05
    again = family.draw(PROMPTS[:2], [1, 1], side(kind), side(kind))
    assert apart(again[0], batch[0]) <= SAME
    assert apart(again[0], again[1]) > 10 * SAME, (
        "another prompt hardly changes the image: make the weights of the tiny pipeline larger"
    )


@pytest.mark.parametrize("kind", slow_but(FAST, KINDS))
def test_as_the_pipeline_draws_by_hand(kind: str, saved: Folder) -> None:
    family = opened(KINDS[kind], saved(kind))
    call: dict[str, Any] = {"width": side(kind), "height": side(kind), "output_type": "np"}
    call["prior_num_inference_steps" if "cascade" in kind else "num_inference_steps"] = 2
    call |= ALWAYS.get(kind, {})
    if kind == "sana":
        call |= SANA
    generator = torch.Generator().manual_seed(SEEDS[0])
    by_hand = family.pipeline(prompt=PROMPTS[0], generator=generator, **call).images
    assert apart(drawn(family, kind, slice(0, 1)), by_hand) == 0


@pytest.mark.parametrize("kind", slow_but(FAST, [kind for kind in KINDS if kind != "flux"]))
def test_settings_reach_the_pipeline(kind: str, saved: Folder) -> None:
    one = slice(0, 1)
    plain = drawn(opened(KINDS[kind], saved(kind), guidance=4.0), kind, one)
    for settings in ({"steps": 3}, {"guidance": 9.0}, {"negative_prompt": "blue"}):
        family = opened(KINDS[kind], saved(kind), **{"guidance": 4.0, **settings})
        assert apart(drawn(family, kind, one), plain) > 0, settings


def test_the_dtype_is_the_recipes(saved: Folder) -> None:
    family = opened("sd", saved("sd"), dtype="bfloat16")
    assert {p.dtype for p in family.pipeline.unet.parameters()} == {torch.bfloat16}


def test_without_a_size_the_pipelines_own(saved: Folder) -> None:
    assert opened("sd", saved("sd")).draw(["a"], [0], None, None).shape == (1, SIDE, SIDE, 3)


def test_any_size_of_pixart_is_drawn_as_asked(saved: Folder) -> None:
    pixels = opened("pixart_sigma", saved("pixart_sigma")).draw(["a"], [0], 24, 16)
    assert pixels.shape == (1, 16, 24, 3)


@pytest.mark.parametrize("name", ["pixart_sigma", "auto"])
def test_captions_of_pixart_keep_their_words(
    name: str, saved: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The packages that cleaning needs are not installed here: what counts is what is asked for.
    family = opened(name, saved("pixart_sigma"), call={"use_resolution_binning": False})
    asked: list[bool] = []
    kept = family.pipeline._text_preprocessing

    def watched(text: Any, clean_caption: bool = False) -> Any:
        asked.append(clean_caption)
        return kept(text, clean_caption=clean_caption)

    monkeypatch.setattr(family.pipeline, "_text_preprocessing", watched)
    family.draw(["a cat (by someone)"], [0], SIDE, SIDE)
    assert set(asked) == {False}
    wanted = opened(name, saved("pixart_sigma"), call={"clean_caption": True})
    assert wanted.arguments(SIDE, SIDE)["clean_caption"] is True


@pytest.mark.parametrize("family", ["sd", "auto"])
def test_no_safety_checker_is_loaded(family: str, copied: Folder) -> None:
    folder = copied("sd")
    _edit_index(
        folder,
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        requires_safety_checker=True,
    )
    assert opened(family, folder).pipeline.safety_checker is None


@pytest.mark.parametrize("family", ["sdxl", "auto"])
def test_no_watermark_depends_on_what_is_installed(
    family: str, saved: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved("sdxl")  # its making would ask for one
    module = "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl"
    monkeypatch.setattr(f"{module}.is_invisible_watermark_available", lambda: True)
    drawn_on: list[str] = []
    monkeypatch.setattr(
        f"{module}.StableDiffusionXLWatermarker", lambda: drawn_on.append("it"), raising=False
    )
    assert opened(family, folder).pipeline.watermark is None
    assert drawn_on == []


def test_sd3_keeps_the_t5_it_has(saved: Folder) -> None:
    assert opened("sd3", saved("sd3")).pipeline.text_encoder_3 is not None
    assert opened("sd3", saved("sd3_without_t5")).pipeline.text_encoder_3 is None
    assert opened("auto", saved("sd3_without_t5")).pipeline.text_encoder_3 is None


@pytest.mark.parametrize("library", ["diffusers", "wuerstchen"])
def test_stable_cascade_opens_whatever_its_index_says(library: str, copied: Folder) -> None:
    folder = copied("stable_cascade")
    _edit_index(folder, vqgan=[library, "PaellaVQModel"])
    before = hasattr(diffusers, "PaellaVQModel"), hasattr(diffusers.pipelines, "wuerstchen")
    family = opened("stable_cascade", folder)
    assert type(family.pipeline.vqgan).__name__ == "PaellaVQModel"
    assert before == (
        hasattr(diffusers, "PaellaVQModel"),
        hasattr(diffusers.pipelines, "wuerstchen"),
    )


def test_stable_cascade_of_two_checkpoints(copied: Folder, saved: Folder) -> None:
    decoder, prior = copied("cascade_decoder"), str(saved("cascade_prior"))
    # What its card names is not opened: nothing says which commit of it.
    (decoder / "README.md").write_text("---\nprior:\n- someone/else\n---\n")
    family = opened("stable_cascade", decoder, prior=prior)
    for place, part in ((prior, "prior"), (decoder, "decoder")):
        weights = load_file(Path(place) / part / "diffusion_pytorch_model.safetensors")
        found = family.pipeline.prior_prior if part == "prior" else family.pipeline.decoder
        for name, weight in found.state_dict().items():
            assert torch.equal(weight, weights[name])
    parts = {
        f"prior_{name}": part
        for name, part in diffusers.StableCascadePriorPipeline.from_pretrained(
            prior
        ).components.items()
    }
    with _names_of_old():
        second = diffusers.StableCascadeDecoderPipeline.from_pretrained(decoder)
    by_hand = diffusers.StableCascadeCombinedPipeline(**second.components, **parts)
    images = by_hand(
        prompt=PROMPTS[:2],
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS[:2]],
        prior_num_inference_steps=2,
        output_type="np",
        **{"width": 128, "height": 128},
    ).images
    assert apart(drawn(family, "cascade", slice(0, 2)), images) == 0


def test_stable_cascade_needs_a_prior(saved: Folder) -> None:
    with pytest.raises(ModelError, match=r"^prior: .*second stage") as caught:
        opened("stable_cascade", saved("cascade_decoder"))
    assert "stable-cascade-prior" in str(caught.value.hint)


def test_only_stable_cascade_takes_a_prior(saved: Folder) -> None:
    with pytest.raises(ModelError, match=r"^prior: only the family stable_cascade"):
        opened("sd", saved("sd"), prior=str(saved("cascade_prior")))


def test_stable_cascade_settings_of_its_decoder(saved: Folder) -> None:
    folder = saved("stable_cascade")
    one = slice(0, 1)
    plain = drawn(opened("stable_cascade", folder), "cascade", one)
    for call in ({"num_inference_steps": 3}, {"decoder_guidance_scale": 3.0}):
        assert apart(drawn(opened("stable_cascade", folder, call=call), "cascade", one), plain) > 0


# What goes wrong.


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("sd", "sdxl"),
        ("sdxl", "sd"),
        ("sd3", "sdxl"),
        ("flux", "sd3"),
        ("sd3", "pixart_sigma"),
        ("cascade_prior", "stable_cascade"),
    ],
)
def test_a_checkpoint_of_another_family(kind: str, family: str, saved: Folder) -> None:
    found = json.loads((saved(kind) / "model_index.json").read_text())["_class_name"]
    with pytest.raises(
        ModelError,
        match=f"{kind} is a {found} .key _class_name of model_index.json., and this family opens",
    ) as caught:
        opened(family, saved(kind))
    assert caught.value.hint
    assert "auto" in caught.value.hint


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    for family in ("auto", "sdxl", "stable_cascade"):
        with pytest.raises(ModelError, match=r"model_index\.json"):
            opened(family, tmp_path)
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be opened"):
        opened("auto", tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    with pytest.raises(ModelError, match="NoSuchPipeline"):
        opened("auto", tmp_path)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
@pytest.mark.parametrize("family", ["auto", "sd"])
def test_pickles_are_refused(part: str, family: str, copied: Folder) -> None:
    folder = copied("sd")
    (weights,) = (folder / part).glob("*.safetensors")
    name = "pytorch_model" if weights.stem == "model" else weights.stem
    torch.save(load_file(weights), weights.with_name(f"{name}.bin"))
    weights.unlink()
    with pytest.raises(ModelError, match="safetensors") as caught:
        opened(family, folder)
    assert caught.value.hint
    assert "safetensors" in caught.value.hint


def test_weights_cut_short(copied: Folder) -> None:
    folder = copied("sd")
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be opened"):
        opened("sd", folder)


def test_a_variant_that_is_not_there(saved: Folder) -> None:
    with pytest.raises(ModelError, match="variant=fp16") as caught:
        opened("sd", saved("sd"), variant="fp16")
    assert caught.value.hint
    assert "`variant`" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("sd", {"call": {"guidence_rescale": 0.5}}, "guidence_rescale. Did you mean 'guidance_r"),
        ("sd3", {"call": {"max_seq_length": 8}}, "max_seq_length. Did you mean 'max_sequence_len"),
        ("stable_cascade", {"call": {"decoder_guidance": 1.0}}, "'decoder_guidance_scale'"),
        ("pixart_sigma", {"call": {"guidance_rescale": 0.5}}, "takes no guidance_rescale"),
        ("sdxl", {"call": {"generator": 1}}, "call.generator"),
        ("sdxl", {"call": {"num_images_per_prompt": 2}}, "call.num_images_per_prompt"),
        ("sd", {"scheduler": "DPMSolverMultistep"}, "mean 'DPMSolverMultistepScheduler'"),
        ("sd", {"scheduler": "UNet2DConditionModel"}, "'UNet2DConditionModel' is not"),
        ("sd", {"scheduler": "utils"}, "'utils' is not"),
        ("sd", {"scheduler_options": {"beta_schedule": "steep"}}, "DDIMScheduler cannot.*steep"),
        ("sd", {"scheduler_options": {"beta_strat": 0.1}}, "beta_strat.*mean 'beta_start'"),
        (
            "stable_cascade",
            {"scheduler_options": {"scalar": 2.0}},
            "DDPMWuerstchenScheduler.*mean 'scaler'",
        ),
    ],
)
def test_a_setting_the_pipeline_does_not_take(
    kind: str, settings: dict[str, Any], message: str, saved: Folder
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        opened(KINDS[kind], saved(kind), **settings)
    assert caught.value.hint


def test_a_pipeline_that_takes_no_prompt(saved: Folder) -> None:
    with pytest.raises(ModelError, match="DDPMPipeline takes no prompt"):
        opened("auto", saved("ddpm"))


@pytest.mark.parametrize("size", ["1344x768", "768x1000"])
def test_stable_cascade_refuses_sizes_it_would_miss(size: str, saved: Folder) -> None:
    with pytest.raises(ModelError, match=size):
        opened("stable_cascade", saved("stable_cascade"), sizes=["1024x1024", size])


@pytest.mark.parametrize(
    ("kind", "scheduler", "options"),
    [
        ("sd", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("sdxl", "DDIMScheduler", {}),
        ("pixart_sigma", None, {"timestep_spacing": "trailing"}),
        ("sd3", None, {"shift": 5.0}),
        ("stable_cascade", None, {"scaler": 3.0}),
    ],
)
def test_another_scheduler(
    kind: str, scheduler: str | None, options: dict[str, Any], saved: Folder
) -> None:
    plain = opened(KINDS[kind], saved(kind))
    other = opened(KINDS[kind], saved(kind), scheduler=scheduler, scheduler_options=options)
    pipeline = other.pipeline.prior_pipe if kind == "stable_cascade" else other.pipeline
    if scheduler:
        assert type(pipeline.scheduler).__name__ == scheduler
    for name, value in options.items():
        assert pipeline.scheduler.config[name] == value
    one = slice(0, 1)
    assert apart(drawn(other, kind, one), drawn(plain, kind, one)) > 0


def _edit_index(folder: Path, **changes: Any) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("kind", ["sd", "sd3", "pixart_sigma"])
def test_a_long_prompt_is_cut_and_no_errors_are_foretold(
    kind: str, saved: Folder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("transformers")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    family = opened(KINDS[kind], saved(kind))
    family.draw(["a red circle " * 200], [1], side(kind), side(kind))
    assert "Token indices" not in caplog.text
