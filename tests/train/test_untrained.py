"""Parts that are not trained come out as they went in."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import diffusers
import pytest
import torch

from synpic.train.training_loop import train
from synpic.train.untrained import copy_untrained
from tests.train.conftest import Wanted
from tests.train.runs import FULL, LORA

TRAINED = {"unet", "transformer"}


def untrained(folder: Path) -> dict[str, bytes]:
    """Every file of a pipeline but the weights of its denoiser."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not (path.parent.name in TRAINED and path.suffix == ".safetensors")
    }


@pytest.mark.parametrize(
    ("kind", "tuning"),
    [("sd", FULL), ("sd3_without_t5", LORA)],
)
def test_every_other_file_is_the_checkpoint_s(
    kind: str, tuning: str, wanted: Wanted, tmp_path: Path
) -> None:
    recipe = wanted(kind, tuning, "run.save=pipeline", "run.steps=1")
    before = os.umask(0o027)
    try:
        made = train(recipe, tmp_path)
    finally:
        os.umask(before)
    base = untrained(Path(str(recipe.model.checkpoint)))
    found = untrained(made.folder)
    assert {name: found[name] for name in base} == base
    assert found.keys() - base.keys() == {"README.md", "training.json", "training_prompts.txt"}
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in everything} == {0o640}
    for path in made.folder.rglob("*"):
        if path.is_file():
            assert str(tmp_path.parent).encode() not in path.read_bytes(), path
    recorded = set(made.about["files"])
    assert recorded == {
        path.relative_to(made.folder).as_posix()
        for path in made.folder.rglob("*")
        if path.is_file() and path.name not in ("README.md", "training.json")
    }


@pytest.mark.parametrize("shards", ["10GB", "1KB"])
def test_a_variant_comes_out_under_names_without_one(
    shards: str, wanted: Wanted, tmp_path: Path
) -> None:
    source, made = tmp_path / "source", tmp_path / "made"
    shutil.copytree(str(wanted("sd").model.checkpoint), source)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(source)
    half = pipeline.to(torch.float16)
    for name in ("vae", "text_encoder"):
        part = getattr(half, name)
        part.save_pretrained(source / name, variant="fp16", max_shard_size=shards)
    assert sorted(path.name for path in (source / "vae").iterdir() if ".fp16" in path.name)
    (source / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (source / "vae" / "diffusion_pytorch_model.bin.index.json").write_text("{}")
    made.mkdir()
    copy_untrained(source, made, "unet", [], "fp16")
    names = [path.name for path in made.rglob("*") if path.is_file()]
    assert not [name for name in names if "fp16" in name or ".bin" in name]
    assert sorted(path.name for path in (made / "unet").iterdir()) == ["config.json"]
    opened = diffusers.DiffusionPipeline.from_pretrained(made, unet=half.unet, dtype=torch.float16)
    for name in ("vae", "text_encoder"):
        state = getattr(opened, name).state_dict()
        wanted_state = getattr(half, name).state_dict()
        assert state.keys() == wanted_state.keys()
        assert all(torch.equal(value, wanted_state[key]) for key, value in state.items())
    halves = {path.read_bytes() for path in source.rglob("*.safetensors") if "fp16" in path.name}
    copies = {path.read_bytes() for path in made.rglob("*.safetensors")}
    assert copies == halves
    assert json.loads((made / "model_index.json").read_text()) == json.loads(
        (source / "model_index.json").read_text()
    )


def test_what_is_left_out_is_left_out_of_the_index(wanted: Wanted, tmp_path: Path) -> None:
    source, made = Path(str(wanted("sd").model.checkpoint)), tmp_path / "made"
    made.mkdir()
    copy_untrained(source, made, "unet", ["vae", "safety_checker"], None)
    index = json.loads((made / "model_index.json").read_text())
    assert index.pop("vae") == [None, None]
    before = json.loads((source / "model_index.json").read_text())
    del before["vae"]
    assert index == before
    assert not (made / "vae").exists()
