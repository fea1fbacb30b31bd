"""Parts wait where the recipe says, or where there is room; and nothing is taken that cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synpic.errors import DeviceLost, ModelError
from synpic.generate.checkpoint import Checkpoint, Component
from synpic.generate.placement import Placement, check_placement, place
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate import tiny

Folder = Callable[[str], Path]

CLOSE = 1e-5
"""Of pixels in [0, 1]: what another order of sums may move."""


def settings(**given: Any) -> ModelSettings:
    return ModelSettings(**{"checkpoint": "nowhere", "steps": 2, **given})


def opened(kind: str, folder: Path, **given: Any) -> Any:
    return FAMILIES.load(kind)(settings(**given), str(folder), None, "cpu")


def draw(family: Any) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = family.draw(["a", "b"], [1, 2], tiny.SIDE, tiny.SIDE)
    return pixels


class Part(torch.nn.Module):
    """Takes ``size`` of a device."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.place = size, "cpu"
        self.weight = torch.nn.Parameter(torch.ones(1))


class Machine:
    """A pipeline on a device with little memory. Parts say where they are."""

    model_cpu_offload_seq: str | None = "text_encoder->unet->vae"

    def __init__(self, room: int, text_encoder: int = 8, unet: int = 4, vae: int = 1) -> None:
        self.room, self.way = room, "whole"
        self.components = {
            "text_encoder": Part(text_encoder),
            "unet": Part(unet),
            "vae": Part(vae),
            "tokenizer": object(),
        }
        for part in self._parts():
            part.to = lambda device, part=part: self._move(part, device)  # type: ignore[method-assign]

    def encode_prompt(self, prompt: list[str]) -> None: ...

    def to(self, device: str) -> None:
        for part in self._parts():
            part.to(device)

    def enable_model_cpu_offload(self, device: str) -> None:
        if self.model_cpu_offload_seq is None:
            raise ValueError("no `model_cpu_offload_seq` class attribute is set")
        self._fetch(max(part.size for part in self._parts()), "by parts")

    def enable_sequential_cpu_offload(self, device: str) -> None:
        self._fetch(1, "by layers")

    def where(self) -> list[str]:
        return [
            name
            for name, part in self.components.items()
            if isinstance(part, Part) and part.place != "cpu"
        ]

    def _parts(self) -> list[Any]:
        return [part for part in self.components.values() if isinstance(part, Part)]

    def _move(self, part: Part, device: str) -> None:
        part.place = "cpu"
        if device != "cpu":
            self._check(part.size + sum(one.size for one in self._parts() if one.place != "cpu"))
            part.place = device

    def _fetch(self, size: int, way: str) -> None:
        for part in self._parts():
            part.place = "cpu"
        self._check(size)
        self.way = way

    def _check(self, size: int) -> None:
        if size > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    ("room", "level", "there", "way"),
    [
        (13, "none", ["text_encoder", "unet", "vae"], "whole"),
        (12, "text", ["unet", "vae"], "whole"),
        (4, "sequential", [], "by layers"),
    ],
)
def test_as_much_on_the_device_as_there_is_room_for(
    room: int, level: str, there: list[str], way: str
) -> None:
    machine = Machine(room)
    placement = Placement(machine, settings(), "cuda")
    assert (placement.level, machine.where(), machine.way) == (level, there, way)
    assert (placement.note is None) == (level == "none")


def test_by_parts_where_what_draws_is_large() -> None:
    machine = Machine(6, text_encoder=2, unet=6, vae=4)
    placement = Placement(machine, settings(), "cuda")
    assert (placement.level, machine.way) == ("model", "by parts")
    assert placement.note
    assert "short of memory: parts are kept" in placement.note


def test_without_an_order_of_parts_by_layers() -> None:
    machine = Machine(6, text_encoder=2, unet=6, vae=4)
    machine.model_cpu_offload_seq = None
    assert Placement(machine, settings(), "cuda").level == "sequential"
    with pytest.raises(ModelError, match=r'"model": Machine cannot be put so.*cpu_offload_seq'):
        Placement(machine, settings(offload="model"), "cuda")


def test_what_is_compiled_is_not_taken_apart_into_layers() -> None:
    machine = Machine(100)
    placement = Placement(machine, settings(compile=True), "cuda")
    levels = [placement.level]
    while placement.retreat():
        levels.append(placement.level)
    assert levels == ["none", "text", "model"]
    assert machine.way == "by parts"
    with pytest.raises(torch.OutOfMemoryError):
        Placement(Machine(3), settings(compile=True), "cuda")


@pytest.mark.parametrize("offload", [None, "sequential"])
def test_what_goes_wrong_on_the_way_is_told_of_the_model(
    offload: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Machine, device: str) -> None:
        raise NotImplementedError("Cannot copy out of meta tensor")

    monkeypatch.setattr(Machine, "enable_sequential_cpu_offload", fail)
    says = 'offload = "sequential": Machine cannot be put so: Cannot copy'
    if offload:
        with pytest.raises(ModelError, match=says):
            Placement(Machine(100), settings(offload=offload), "cuda")
        return
    placement = Placement(Machine(100), settings(), "cuda")
    assert placement.retreat()
    assert placement.retreat()
    with pytest.raises(ModelError, match=says) as caught:
        placement.retreat()
    assert caught.value.hint


def test_a_device_that_is_lost_on_the_way_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Machine, device: str) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Machine, "enable_model_cpu_offload", fail)
    placement = Placement(Machine(12), settings(), "cuda")
    with pytest.raises(DeviceLost):
        placement.retreat()


def test_without_reading_ahead_no_encoders_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Machine, "encode_prompt")
    assert Placement(Machine(12), settings(), "cuda").level == "model"
    with pytest.raises(ModelError, match=r"Machine reads no prompts ahead") as caught:
        Placement(Machine(12), settings(offload="text"), "cuda")
    assert "model" in str(caught.value.hint)


def test_what_the_recipe_says_is_what_is_done() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Placement(Machine(12), settings(offload="none"), "cuda")
    placement = Placement(Machine(100), settings(offload="text"), "cuda")
    assert (placement.level, placement.note, placement.retreat()) == ("text", None, False)


def test_room_is_made_a_level_at_a_time() -> None:
    machine = Machine(100)
    placement = Placement(machine, settings(), "cuda")
    levels = [placement.level]
    while placement.retreat():
        levels.append(placement.level)
    assert levels == ["none", "text", "model", "sequential"]
    assert machine.where() == []


def test_there_is_nowhere_to_go_from_a_cpu() -> None:
    placement = Placement(Machine(100), settings(), "cpu")
    assert (placement.level, placement.note, placement.retreat()) == ("none", None, False)


def test_too_small_for_anything() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Placement(Machine(0), settings(), "cuda")


def test_encoders_are_fetched_to_read_and_are_not_copied_back() -> None:
    encoder = Part(1)
    machine = Machine(100)
    machine.components["text_encoder"] = encoder
    placement = Placement(machine, settings(offload="text"), "cpu")
    address = encoder.weight.data_ptr()
    placement.device = torch.float64  # type: ignore[assignment]  # stands for a device: none is here
    with pytest.raises(RuntimeError, match="halfway"), placement.reading():
        assert encoder.weight.dtype == torch.float64
        raise RuntimeError("halfway")
    assert encoder.weight.dtype == torch.float32
    assert encoder.weight.data_ptr() == address


# Options, on real pipelines.


def test_by_parts_it_draws_the_same_and_heals(saved: Folder) -> None:
    """As on an accelerator, but that the device to which parts go is the one they come from."""
    plain = draw(opened("sd", saved("sd"), dtype="float16"))
    family = opened("sd", saved("sd"), dtype="float16")
    family.pipeline.enable_model_cpu_offload(device="cpu")
    assert np.array_equal(draw(family), plain)
    decode = family.pipeline.vae.decode._decode

    def spoilt(latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        result = decode(latents, *args, **kwargs)
        if latents.dtype == torch.float16:
            result[0][0] = torch.nan
        return result

    family.pipeline.vae.decode._decode = spoilt
    pixels = draw(family)
    assert np.isfinite(pixels).all()
    assert np.array_equal(pixels[1], plain[1])


def test_none_of_them_changes_what_is_drawn(saved: Folder) -> None:
    plain = draw(opened("sd", saved("sd")))
    assert np.array_equal(draw(opened("sd", saved("sd"), offload="text")), plain)
    for option in ("vae_slicing", "channels_last"):
        other = draw(opened("sd", saved("sd"), **{option: True}))
        assert np.abs(other - plain).max() < CLOSE, option


def test_only_kernels_of_pictures_have_an_order_of_channels() -> None:
    """A VAE of videos has others."""
    video = torch.nn.Sequential(torch.nn.Conv3d(2, 4, 3), torch.nn.Conv2d(2, 4, 3))
    machine = Machine(100)
    machine.vae = video  # type: ignore[attr-defined]
    place(machine, settings(channels_last=True), "cpu")
    assert video[0].weight.is_contiguous()
    assert video[1].weight.is_contiguous(memory_format=torch.channels_last)


def test_options_reach_the_parts(saved: Folder) -> None:
    vae = opened("sd", saved("sd"), vae_slicing=True, vae_tiling=True).pipeline.vae
    assert vae.use_slicing
    assert vae.use_tiling
    pipeline = opened("sd", saved("sd"), channels_last=True).pipeline
    for part in (pipeline.unet, pipeline.vae):
        kernels = [p for p in part.parameters() if p.dim() == 4 and p.shape[1] > 1]
        assert kernels
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("sd", "BasicTransformerBlock"),
        ("flux", "FluxTransformerBlock"),
        ("sd3", "SD3Transformer2DModel"),  # names no blocks of its own
    ],
)
def test_the_denoiser_alone_is_compiled(kind: str, block: str, saved: Folder) -> None:
    family = "auto" if kind == "flux" else kind
    pipeline = opened(family, saved(kind), compile=True).pipeline
    compiled = {
        type(part).__name__
        for whole in pipeline.components.values()
        if isinstance(whole, torch.nn.Module)
        for part in whole.modules()
        if part._compiled_call_impl is not None
    }
    assert compiled - {"FluxSingleTransformerBlock"} == {block}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_it_draws_the_same(saved: Folder) -> None:
    for kind in ("sd", "sd3"):
        plain = draw(opened(kind, saved(kind)))
        assert np.abs(draw(opened(kind, saved(kind), compile=True)) - plain).max() < CLOSE


# What cannot be.


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"offload": "model"}, 'offload = "model".*on a CPU'),
        ({"offload": "sequential"}, 'offload = "sequential".*on a CPU'),
        ({"compile": True, "offload": "sequential"}, "on a CPU"),
    ],
)
def test_a_cpu_has_nowhere_to_put_parts(given: dict[str, Any], says: str, saved: Folder) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        opened("sd", saved("sd"), **given)
    assert caught.value.hint


@pytest.mark.parametrize("option", ["vae_slicing", "vae_tiling"])
def test_a_vae_that_does_not_take_it_is_known_before_weights_are_read(
    option: str, copied: Folder
) -> None:
    folder = copied("stable_cascade")
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(b"")
    with pytest.raises(ModelError, match=rf"{option}: PaellaVQModel takes none") as caught:
        opened("stable_cascade", folder, **{option: True})
    assert caught.value.hint


def test_a_vae_of_somebody_s_own_is_looked_at_when_it_is_there() -> None:
    theirs = Component(Checkpoint("nowhere", None), "vae", "my_vae", "MyVAE")
    check_placement(settings(vae_tiling=True), {"vae": theirs}, "cuda")
    machine = Machine(100)
    machine.vae = machine.components["vae"]  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="vae_tiling: Part takes none"):
        place(machine, settings(vae_tiling=True), "cpu")
    with pytest.raises(ModelError, match="this pipeline has no VAE"):
        place(Machine(100), settings(vae_tiling=True), "cpu")


def test_no_compiler_no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ModelError, match=r"needs a C\+\+ compiler") as caught:
        check_placement(settings(compile=True), {}, "cpu")
    assert "g++" in str(caught.value.hint)
    with pytest.raises(ModelError, match="layers that come and go"):
        check_placement(settings(compile=True, offload="sequential"), {}, "cuda")
