"""What a recipe asks of a model is what stock diffusers draws when it is asked the same by hand."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, JpegImagePlugin

from synpic import Workspace
from synpic.generate.stable_cascade import _names_of_old
from synpic_cli.main import app
from tests.cli.conftest import in_process
from tests.generate import tiny
from tests.generate.by_recipe import by_hand, make, pictures, rows, workspace_of
from tests.generate.loras import save_lora
from tests.generate.test_families import KINDS, SANA
from tests.generate.tiny import ALWAYS, side
from tests.grids import slow_but

Folder = Callable[[str], Path]

assert app


def stock(folder: Path, **options: Any) -> Any:
    if folder.name == "sd3_without_t5":
        options |= {"text_encoder_3": None, "tokenizer_3": None}
    with _names_of_old():
        return diffusers.DiffusionPipeline.from_pretrained(folder, **options)


def equal(made: list[Any], wanted: list[Any]) -> bool:
    assert len(made) == len(wanted) > 0
    return all(np.array_equal(one, other) for one, other in zip(made, wanted, strict=True))


def sized(kind: str, steps: int = 2) -> dict[str, Any]:
    """Keys of a recipe for the pipeline called ``kind``."""
    keys: dict[str, Any] = {"steps": steps, "sizes": [f"{side(kind)}x{side(kind)}"]}
    return {**keys, "call": SANA} if kind == "sana" else keys


def called(kind: str, steps: int = 2) -> dict[str, Any]:
    """The same as arguments of its call."""
    extra: dict[str, Any] = {"num_inference_steps": steps, **ALWAYS.get(kind, {})}
    if kind == "sana":
        extra |= SANA
    if "cascade" in kind:
        extra = {"prior_num_inference_steps": steps}
    return {"width": side(kind), "height": side(kind), **extra}


@pytest.mark.parametrize("kind", slow_but({"sd", "sd3", "stable_cascade", "flux"}, KINDS))
def test_every_family_through_the_command(kind: str, saved: Folder, tmp_path: Path) -> None:
    model = {"checkpoint": saved(kind), "family": KINDS[kind], "samples": 2, **sized(kind)}
    workspace = workspace_of(tmp_path / "set", m=model)
    assert in_process("validate", "-C", tmp_path / "set").exit_code == 0
    ended = in_process("generate", "-C", tmp_path / "set", "--device", "cpu")
    assert ended.exit_code == 0, ended.output
    assert rows(workspace, "m").height == 6
    pipeline = stock(saved(kind))
    assert len({picture.tobytes() for picture in pictures(workspace, "m")}) == 6
    wanted = by_hand(pipeline, rows(workspace, "m"), **called(kind))
    assert equal(pictures(workspace, "m"), wanted)


def test_stable_cascade_of_two_checkpoints(saved: Folder, tmp_path: Path) -> None:
    asked = {"family": "stable_cascade", **sized("stable_cascade")}
    apart = {"checkpoint": saved("cascade_decoder"), "prior": saved("cascade_prior")}
    other = tiny.save("cascade_prior", tmp_path / "other", seed=1)
    workspace = make(
        tmp_path / "set",
        one={**asked, **apart},
        other={**asked, **apart, "prior": other},
        whole={**asked, "checkpoint": saved("stable_cascade"), "prior": other},
    )
    # The first stage of a folder that holds both can be another's as well.
    first = {f"prior_{name}": part for name, part in stock(other).components.items()}
    with _names_of_old():
        both = stock(saved("stable_cascade")).components
    pipeline = diffusers.StableCascadeCombinedPipeline(**{**both, **first})
    wanted = by_hand(pipeline, rows(workspace, "whole"), **called("stable_cascade"))
    assert equal(pictures(workspace, "whole"), wanted)
    locked = {entry.source for entry in workspace.snapshot().lock.entries}
    assert {str(saved("cascade_decoder")), str(saved("cascade_prior")), str(other)} <= locked
    assert not equal(pictures(workspace, "one"), pictures(workspace, "other"))


# -- what decides pixels -----------------------------------------------------------------------


@pytest.mark.parametrize("offload", ["none", "text"])
def test_another_prompt_for_another_encoder(offload: str, saved: Folder, tmp_path: Path) -> None:
    keys = {"checkpoint": saved("sd3"), "family": "sd3", **sized("sd3"), "batch_size": 2}
    call = {"prompt_2": "in oil", "prompt_3": "on a table"}
    workspace = make(tmp_path / "set", m={**keys, "call": call, "offload": offload, "samples": 2})
    found = rows(workspace, "m")
    pipeline = stock(saved("sd3"))
    wanted = []
    for prompts in (found[0:2], found[2:3], found[3:5], found[5:6]):
        wanted += by_hand(pipeline, prompts, listed=tuple(call), **called("sd3"), **call)
    assert equal(pictures(workspace, "m"), wanted)


def test_what_may_move_low_bits_is_noted_beside_the_images(saved: Folder, tmp_path: Path) -> None:
    keys = {"checkpoint": saved("sd"), "family": "sd", **sized("sd", 1), "samples": 2}
    notes = []
    for name, more in (("plain", {}), ("other", {"channels_last": True, "vae_slicing": True})):
        workspace = make(tmp_path / name, m={**keys, **more})
        (folder,) = workspace.folders("candidates")
        notes.append(
            [workspace.part_metadata(part).model_dump() for part in workspace.parts(folder)]
        )
    for plain in notes[0]:
        assert not {"channels_last", "vae_slicing", "compile"} & plain.keys()
    for other in notes[1]:
        assert (other["channels_last"], other["vae_slicing"]) == (True, True)
        assert "compile" not in other
    assert notes[0][0]["fingerprint_inputs"] == notes[1][0]["fingerprint_inputs"]


def test_settings_are_those_of_the_call(saved: Folder, tmp_path: Path) -> None:
    keys = {"guidance": 6.5, "negative_prompt": "blue", "call": {"guidance_rescale": 0.5}}
    workspace = make(
        tmp_path / "set",
        m={
            "checkpoint": saved("sd"),
            "family": "sd",
            "steps": 3,
            "sizes": ["16x16", "24x16"],
            "samples": 2,
            **keys,
        },
    )
    found = rows(workspace, "m")
    assert found.select("width", "sample").unique().height == 4
    pipeline = stock(saved("sd"), requires_safety_checker=False)
    wanted = []
    for width in (16, 24):
        wanted += by_hand(
            pipeline,
            found.filter(width=width),
            listed=("negative_prompt",),
            num_inference_steps=3,
            guidance_scale=6.5,
            negative_prompt="blue",
            guidance_rescale=0.5,
            **{"width": width, "height": 16},
        )
    assert equal(pictures(workspace, "m"), wanted)


def test_another_scheduler_with_options(saved: Folder, tmp_path: Path) -> None:
    workspace = make(
        tmp_path / "set",
        m={
            "checkpoint": saved("sdxl"),
            "family": "sdxl",
            "scheduler": "DPMSolverMultistepScheduler",
            "scheduler_options": {"use_karras_sigmas": True, "solver_order": 3},
            **sized("sdxl", steps=4),
        },
    )
    pipeline = stock(saved("sdxl"), add_watermarker=False)
    pipeline.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, use_karras_sigmas=True, solver_order=3
    )
    wanted = by_hand(pipeline, rows(workspace, "m"), **called("sdxl", steps=4))
    assert equal(pictures(workspace, "m"), wanted)


@pytest.mark.parametrize("kind", slow_but({"sd"}, ["sd", "sd3"]))
def test_half_precision(kind: str, saved: Folder, tmp_path: Path) -> None:
    model = {"checkpoint": saved(kind), "dtype": "bfloat16", **sized(kind)}
    workspace = make(tmp_path / "set", m=model)
    pipeline = stock(saved(kind), dtype=torch.bfloat16)
    assert equal(pictures(workspace, "m"), by_hand(pipeline, rows(workspace, "m"), **called(kind)))


@pytest.mark.parametrize("kind", slow_but({"sd", "flux"}, ["sd", "sdxl", "sd3", "flux", "sana"]))
def test_loras_with_their_scales(kind: str, saved: Folder, tmp_path: Path) -> None:
    for number in (1, 2):
        save_lora(saved(kind), tmp_path / "set" / f"lora-{number}", seed=number)
    # One of them as a single file, under a name of its own, beside the recipe.
    written = tmp_path / "set" / "lora-2" / "pytorch_lora_weights.safetensors"
    written.rename(tmp_path / "set" / "style.safetensors")
    base = {"checkpoint": saved(kind), "family": KINDS[kind], **sized(kind)}
    loras = [
        {"checkpoint": "./lora-1", "scale": 0.7},
        {"checkpoint": "style.safetensors", "scale": -1.5},
    ]
    workspace = make(
        tmp_path / "set", plain=base, one={**base, "adapters": loras[:1]},
        both={**base, "adapters": loras},
    )  # fmt: skip
    table = rows(workspace, "both")
    pipeline = stock(saved(kind))
    pipeline.load_lora_weights(tmp_path / "set" / "lora-1", adapter_name="a")
    pipeline.load_lora_weights(tmp_path / "set", weight_name="style.safetensors", adapter_name="b")
    pipeline.set_adapters(["a", "b"], [0.7, -1.5])
    assert equal(pictures(workspace, "both"), by_hand(pipeline, table, **called(kind)))
    pipeline.set_adapters(["a"], [0.7])
    assert equal(pictures(workspace, "one"), by_hand(pipeline, table, **called(kind)))
    pipeline.unload_lora_weights()
    assert equal(pictures(workspace, "plain"), by_hand(pipeline, table, **called(kind)))
    assert not equal(pictures(workspace, "one"), pictures(workspace, "both"))
    assert not equal(pictures(workspace, "one"), pictures(workspace, "plain"))


def test_loras_are_not_rounded_into_the_weights(saved: Folder, tmp_path: Path) -> None:
    # So small that most weights in bfloat16, plus what it adds to them, are what they were.
    save_lora(saved("sd"), tmp_path / "set" / "small", seed=1, size=3e-3)
    base = {"checkpoint": saved("sd"), "dtype": "bfloat16", **sized("sd", steps=8)}
    workspace = make(
        tmp_path / "set", plain=base, small={**base, "adapters": [{"checkpoint": "./small"}]}
    )
    fused = stock(saved("sd"), dtype=torch.bfloat16)
    names = [n for n in fused.unet.state_dict() if n.endswith(("to_q.weight", "to_v.weight"))]
    before = torch.cat([fused.unet.get_parameter(n).flatten().clone() for n in names])
    fused.load_lora_weights(tmp_path / "set" / "small")
    fused.fuse_lora()
    fused.unload_lora_weights()
    after = torch.cat([fused.unet.get_parameter(n).flatten() for n in names])
    assert (before == after).float().mean() > 0.9
    assert not equal(pictures(workspace, "small"), pictures(workspace, "plain"))


ELSEWHERE = [
    ("sd", "unet", False),
    ("sd3", "transformer", True),
    ("pixart_sigma", "tokenizer", True),
    ("stable_cascade", "prior_prior", True),
    ("sd", "unet", True),
    ("sd", "vae", False),
    ("sdxl", "text_encoder_2", True),
    ("pixart_sigma", "transformer", False),
    ("stable_cascade", "decoder", True),
]


@pytest.mark.parametrize(("kind", "part", "inside"), slow_but(ELSEWHERE[:4], ELSEWHERE))
def test_a_component_from_elsewhere(
    kind: str, part: str, inside: bool, saved: Folder, tmp_path: Path
) -> None:
    other = tiny.save(kind, tmp_path / "other", seed=1)
    place = other if inside else other / part
    base = {"checkpoint": saved(kind), "family": KINDS[kind], **sized(kind)}
    workspace = make(
        tmp_path / "set", m={**base, "components": {part: {"checkpoint": place}}}, plain=base
    )
    pipeline = stock(saved(kind), **{part: getattr(stock(other), part)})
    table = rows(workspace, "m")
    assert equal(pictures(workspace, "m"), by_hand(pipeline, table, **called(kind)))
    # Two tokenizers of one making are one.
    same = equal(pictures(workspace, "m"), pictures(workspace, "plain"))
    assert same == (part == "tokenizer")


def test_sd3_without_the_t5_that_its_checkpoint_has(saved: Folder, tmp_path: Path) -> None:
    keys = {"without": ["text_encoder_3", "tokenizer_3"], **sized("sd3")}
    workspace = make(tmp_path / "set", m={"checkpoint": saved("sd3"), "family": "sd3", **keys})
    pipeline = stock(saved("sd3"), text_encoder_3=None, tokenizer_3=None)
    assert equal(pictures(workspace, "m"), by_hand(pipeline, rows(workspace, "m"), **called("sd3")))


# -- what decides bytes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "kind", "sampling"),
    [
        ({"format": "png"}, "PNG", None),
        ({"format": "jpeg"}, "JPEG", 0),
        ({"format": "jpeg", "quality": 60, "subsampling": "4:2:0"}, "JPEG", 2),
        ({"format": "jpeg", "quality": 60, "subsampling": "4:2:2"}, "JPEG", 1),
        ({"format": "webp", "quality": 70}, "WEBP", None),
    ],
)
def test_how_images_are_encoded(
    how: dict[str, Any], kind: str, sampling: int | None, saved: Folder, tmp_path: Path
) -> None:
    top = "[images]\n" + "".join(f"{key} = {value!r}\n" for key, value in how.items())
    workspace = make(tmp_path / "set", top, m={"checkpoint": saved("sd"), **sized("sd")})
    raw = make(tmp_path / "raw", m={"checkpoint": saved("sd"), **sized("sd")})
    for row, pixels in zip(rows(workspace, "m").to_dicts(), pictures(raw, "m"), strict=True):
        data = row["image"]["bytes"]
        image = Image.open(io.BytesIO(data))
        assert image.format == kind
        assert row["image"]["path"].endswith(f".{how['format']}")
        options = {key: value for key, value in how.items() if key != "format"}
        if kind != "PNG":
            options = {"quality": 95, **options}
        if kind == "JPEG":
            assert JpegImagePlugin.get_sampling(image) == sampling
            options = {"subsampling": "4:4:4", **options}
        expected = io.BytesIO()
        Image.fromarray(pixels).save(expected, kind, **options)
        assert np.array_equal(
            np.asarray(image), np.asarray(Image.open(io.BytesIO(expected.getvalue())))
        )


# -- what changes a fingerprint ----------------------------------------------------------------


def fingerprint(workspace: Workspace) -> str:
    from synpic.generate.image_model import resolve_model

    snapshot = workspace.snapshot()
    (name,) = snapshot.recipe.models
    return resolve_model(name, snapshot)[0].fingerprint


def test_what_a_fingerprint_covers(saved: Folder, tmp_path: Path) -> None:
    for number in (1, 2):
        save_lora(saved("sd"), tmp_path / f"lora-{number}", seed=number)
    one, two = ({"checkpoint": tmp_path / f"lora-{n}"} for n in (1, 2))
    unet = {"checkpoint": tiny.save("sd", tmp_path / "other", seed=1)}
    numbers = iter(range(100))

    def of(**keys: Any) -> str:
        model = {"checkpoint": saved("sd"), **keys}
        return fingerprint(workspace_of(tmp_path / str(next(numbers)), m=model))

    apart = [
        of(),
        of(adapters=[one]),
        of(adapters=[two]),
        of(adapters=[{**one, "scale": 0.5}]),
        of(adapters=[one, two]),
        of(adapters=[two, one]),
        of(components={"unet": unet}),
        of(components={"unet": {**unet, "subfolder": "unet"}}),
        of(components={"vae": unet}),
        of(vae_tiling=True),
        of(without=["text_encoder"]),
    ]
    assert len(set(apart)) == len(apart)
    for keys in ({"vae_slicing": True}, {"offload": "text"}, {"channels_last": True},
                 {"compile": True}, {"allow": ["pickled weights"]}, {"batch_size": 3}):  # fmt: skip
        assert of(**keys) == apart[0]
    # By content, wherever it lies and however the path is spelt.
    copy = shutil.copytree(tmp_path / "lora-1", tmp_path / "copy")
    assert of(adapters=[{"checkpoint": copy, "scale": 1}]) == apart[1]
