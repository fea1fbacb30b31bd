from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import research.shapes.jobs
import research.shapes.train
from research.shapes.jobs import captioned
from research.shapes.pack import pack
from research.shapes.train import main, schedule, train
from synpic.shapes.meaning import parse
from synpic.shapes.prompts import split_of


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """What a run draws and writes when it saves takes a moment, as its steps do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(research.shapes.jobs, "WHITENED_BY", 32)
        patch.setattr(research.shapes.jobs, "PICTURE_STEPS", 1)
        patch.setattr(research.shapes.train, "LOG_EVERY", 10)
        yield


@pytest.fixture(scope="module")
def vae(short: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vae")
    train("vae", out, steps=2, batch_size=2)
    return out / "model"


@pytest.mark.parametrize(
    "name",
    [
        "vae",
        "mmdit_small",
        "clip",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("mmdit", "unet", "pixart")),
    ],
)
def test_a_run_killed_and_started_again_goes_on_as_if_nothing_had_happened(
    name: str, tmp_path: Path, vae: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"steps": 3, "batch_size": 2, "vae": vae}
    whole = train(name, tmp_path / "whole", **settings)
    assert len(whole) == 3

    # Kill it in its third step, after the state of the second was kept.

    steps_made = 0
    real = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, *args: object) -> object:
        nonlocal steps_made
        steps_made += 1
        if steps_made == 3:
            raise KeyboardInterrupt
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        with pytest.raises(KeyboardInterrupt):
            train(name, tmp_path / "cut", save_every=0.0, **settings)
    rest = train(name, tmp_path / "cut", **settings)
    assert rest == whole[2:]
    assert (tmp_path / "cut" / "grid.png").exists()
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def weights(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.safetensors")}


def test_training_sees_the_train_split_alone() -> None:
    pixels, texts = captioned(np.random.default_rng(0), 200)
    assert pixels.shape == (200, 3, 32, 32)
    assert pixels.amin() >= -1
    assert 0.9 < pixels.amax() <= 1
    said = [text for text in texts if text]
    assert 150 < len(said) < 200
    assert {split_of(parse(text)) for text in said} == {"train"}


def test_the_learning_rate_rises_holds_and_falls() -> None:
    shares = [schedule(step, 1000) for step in range(1000)]
    assert shares[0] == 0.01
    assert shares[99:600] == [1.0] * 501
    assert shares[800] == pytest.approx(0.5)
    assert shares == sorted(shares[:600]) + sorted(shares[600:], reverse=True)


def test_the_command_logs(tmp_path: Path) -> None:
    main(["vae", "--steps", "10", "--batch-size", "1", "--out", str(tmp_path)])
    (row,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert row["step"] == 10
    assert 0 < row["loss"] < 10


def test_a_run_is_not_continued_with_other_settings(tmp_path: Path) -> None:
    train("vae", tmp_path, steps=1, batch_size=2)
    with pytest.raises(SystemExit, match="was begun with"):
        train("vae", tmp_path, steps=2, batch_size=2, seed=1)


def test_packed_weights_are_the_models_in_half_precision(tmp_path: Path, vae: Path) -> None:
    train("pixart", tmp_path / "run", steps=1, batch_size=2, vae=vae)
    pack(tmp_path / "run", tmp_path / "packed")
    before, after = weights(tmp_path / "run" / "model"), weights(tmp_path / "packed")
    assert before.keys() == after.keys()
    for name in before:
        whole = load_file(tmp_path / "run" / "model" / name)
        half = load_file(tmp_path / "packed" / name)
        assert all(torch.equal(whole[key].half(), half[key]) for key in whole)
    configs = "".join(file.read_text() for file in (tmp_path / "packed").rglob("*.json"))
    assert str(tmp_path) not in configs
    assert json.loads((tmp_path / "packed.training.json").read_text()) == {"steps": 0, "log": []}


def test_a_model_on_latents_asks_for_the_autoencoder(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--vae"):
        train("unet", tmp_path, steps=1)
