"""What half precision turns into NaN or black is decoded again in float32; the rest is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synpic.engine.attempt import Attempts, Done
from synpic.generate.pixels import eight_bits
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate.tiny import CASCADE_SIDE, SANA_SIDE, SIDE
from tests.grids import slow_but

Folder = Callable[[str], Path]
Spoil = Callable[[torch.Tensor], None]

KINDS = {"sd": "sd", "sdxl": "sdxl", "sd3": "sd3", "stable_cascade": "stable_cascade"}
PROMPTS, SEEDS = ["a", "b", "c"], [1, 2, 3]


def opened(kind: str, folder: Path, **settings: Any) -> Any:
    complete = ModelSettings(**{"checkpoint": str(folder), "steps": 1, "guidance": 1.0, **settings})
    family = FAMILIES.load(KINDS[kind])(complete, str(folder), None, "cpu")
    if kind == "sdxl":
        # Else the pipeline decodes every image in float32, as the published checkpoint asks.
        family.pipeline.vae.register_to_config(force_upcast=False)
    return family


def draw(kind: str, family: Any) -> NDArray[np.float32]:
    side = CASCADE_SIDE if kind == "stable_cascade" else SIDE
    pixels: NDArray[np.float32] = family.draw(PROMPTS, SEEDS, side, side)
    return pixels


def vae_of(family: Any) -> Any:
    return getattr(family.pipeline, "vae", None) or family.pipeline.vqgan


class Decoder:
    """Spoils what a VAE decodes, and notes how it was asked."""

    def __init__(self, vae: Any, spoil: Spoil, also_in_float32: bool = False) -> None:
        self._vae, self._spoil, self._always = vae, spoil, also_in_float32
        self.asked: list[tuple[torch.dtype, int]] = []
        self._decode = vae.decode._decode
        vae.decode._decode = self

    def __call__(self, latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((latents.dtype, len(latents)))
        # Weights and latents are of one kind, or this would not work.
        result = self._decode(latents, *args, **kwargs)
        if self._always or latents.dtype != torch.float32:
            self._spoil(result[0])
        return result


def set_middle(value: float) -> Spoil:
    def spoil(pixels: torch.Tensor) -> None:
        if len(pixels) == 1:
            pixels[:] = value
        else:
            pixels[1] = value

    return spoil


def one_nan(pixels: torch.Tensor) -> None:
    pixels[len(pixels) // 2, 0, 0, 0] = torch.nan


def black_of(kind: str) -> float:
    return 0.0 if kind == "stable_cascade" else -1.0


@pytest.mark.parametrize(
    ("kind", "dtype"),
    slow_but(
        [("sd", "bfloat16"), ("sdxl", "float16"), ("stable_cascade", "float16")],
        [(kind, dtype) for kind in KINDS for dtype in ("float16", "bfloat16")],
    ),
)
def test_only_the_bad_one_is_decoded_again(kind: str, dtype: str, saved: Folder) -> None:
    sound = draw(kind, opened(kind, saved(kind), dtype=dtype))
    for spoil in (one_nan, set_middle(torch.inf), set_middle(black_of(kind))):
        family = opened(kind, saved(kind), dtype=dtype)
        before = {name: t.clone() for name, t in vae_of(family).state_dict().items()}
        decoder = Decoder(vae_of(family), spoil)
        pixels = draw(kind, family)
        half = getattr(torch, dtype)
        assert decoder.asked == [(half, 3), (torch.float32, 1)]
        assert np.array_equal(pixels[[0, 2]], sound[[0, 2]])
        # The same picture, but for what half precision loses.
        assert 0 < np.abs(pixels[1] - sound[1]).mean() < 0.01
        after = vae_of(family).state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert {t.dtype for t in after.values() if t.is_floating_point()} == {half}


def test_it_is_what_float32_makes_of_the_same_latents(saved: Folder) -> None:
    family = opened("sd", saved("sd"), dtype="float16")
    vae = vae_of(family)
    kept: list[torch.Tensor] = []

    class Watching(Decoder):
        def __call__(self, latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            kept.append(latents.clone())
            return super().__call__(latents, *args, **kwargs)

    Watching(vae, one_nan)
    pixels = draw("sd", family)
    expected = vae.float()
    with torch.inference_mode():
        decoded = type(vae).decode(expected, kept[0][1:2].float()).sample.half()
    by_hand = family.pipeline.image_processor.postprocess(decoded, output_type="np")
    assert np.array_equal(pixels[1], by_hand[0])


def test_weights_that_overflow_in_half_precision(saved: Folder) -> None:
    """Not pretended: numbers beyond 65504 on the way, as in the VAE that is known for it."""
    family = opened("sd", saved("sd"), dtype="float16")
    vae = vae_of(family)
    with torch.no_grad():
        # Beyond what float16 holds, and brought back: the next layer normalises.
        vae.decoder.conv_in.weight.mul_(2**15)
    healing = vae.decode
    vae.decode = healing._decode
    assert not np.isfinite(draw("sd", family)).all()
    vae.decode = healing
    pixels = draw("sd", family)
    assert np.isfinite(pixels).all()
    assert all(eight_bits(image).any() for image in pixels)


@pytest.mark.parametrize("value", [-0.98, 0.0, 1.0])
def test_any_other_single_colour_is_a_picture(value: float, saved: Folder) -> None:
    family = opened("sd", saved("sd"), dtype="float16")
    decoder = Decoder(vae_of(family), set_middle(value))
    pixels = draw("sd", family)
    assert len(decoder.asked) == 1
    assert len(np.unique(eight_bits(pixels[1]))) == 1


@pytest.mark.parametrize(("value", "says"), [(torch.nan, "NaN"), (-1.0, "black")])
def test_what_is_bad_in_float32_too_is_a_failure(value: float, says: str, saved: Folder) -> None:
    for dtype, times in (("float16", 2), ("float32", 1)):
        family = opened("sd", saved("sd"), dtype=dtype)
        decoder = Decoder(vae_of(family), set_middle(value), also_in_float32=True)
        pixels = draw("sd", family)
        assert len(decoder.asked) == times
        assert eight_bits(pixels[0]).any()
        with pytest.raises(ValueError, match=says):
            eight_bits(pixels[1])


def test_latents_that_are_no_numbers_are_not_decoded_again(saved: Folder) -> None:
    family = opened("sd", saved("sd"), dtype="float16")
    with torch.no_grad():
        family.pipeline.unet.conv_out.bias.fill_(torch.nan)
    decoder = Decoder(vae_of(family), lambda pixels: None)
    assert np.isnan(draw("sd", family)).all()
    assert len(decoder.asked) == 1


def test_an_error_on_the_way_leaves_the_weights_as_they_were(saved: Folder) -> None:
    family = opened("sd", saved("sd"), dtype="float16")
    decoder = Decoder(vae_of(family), one_nan)
    decode = decoder._decode

    def no_room(latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if latents.dtype == torch.float32:
            raise torch.OutOfMemoryError("out of memory")
        return decode(latents, *args, **kwargs)

    decoder._decode = no_room
    with pytest.raises(MemoryError):
        draw("sd", family)
    assert {p.dtype for p in vae_of(family).parameters()} == {torch.float16}


def test_a_pipeline_that_hides_it_says_that_memory_is_short(saved: Folder) -> None:
    """Sana's catches torch's exception, and ends in another that says nothing of memory."""
    call = {"use_resolution_binning": False, "complex_human_instruction": []}
    settings = ModelSettings(checkpoint=str(saved("sana")), steps=1, call=call)
    family = FAMILIES.load("auto")(settings, str(saved("sana")), None, "cpu")
    decode = family.pipeline.vae.decode._decode

    def room_for_two(latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if len(latents) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(latents, *args, **kwargs)

    family.pipeline.vae.decode._decode = room_for_two
    rows = [{"prompt": prompt, "seed": seed} for prompt, seed in zip(PROMPTS, SEEDS, strict=True)]
    attempts = Attempts(
        lambda some: family.draw(
            [row["prompt"] for row in some], [row["seed"] for row in some], SANA_SIDE, SANA_SIDE
        )
    )
    ended = attempts.run(rows)
    assert [(type(one), getattr(one, "batch_size", None)) for one in ended] == [(Done, 1)] * 3
    assert attempts.limit == 1
