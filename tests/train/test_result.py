"""What a run leaves is there whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from synpic import ids
from synpic.errors import StorageError
from synpic.release.cards.model_card import load_lines
from synpic.train import result
from synpic.train.training_loop import train
from tests.train.conftest import Wanted
from tests.train.runs import FULL, same, weights


@pytest.mark.parametrize(
    ("kind", "changes", "files"),
    [
        ("sd", [], ["pytorch_lora_weights.safetensors"]),
        ("pixart_sigma", [], ["adapter_config.json", "adapter_model.safetensors"]),
        ("sd", [FULL], ["model_index.json", "scheduler", "text_encoder", "tokenizer",
                      "unet", "vae"]),
    ],
)  # fmt: skip
def test_a_model_its_card_and_its_facts(
    kind: str, changes: list[str], files: list[str], wanted: Wanted, tmp_path: Path
) -> None:
    made = train(wanted(kind, *changes), tmp_path)
    found = sorted(path.name for path in made.folder.iterdir())
    assert found == sorted(["README.md", "training.json", "training_prompts.txt", *files])
    facts = json.loads((made.folder / "training.json").read_text())
    assert facts["prompts_per_step"] == 2
    assert facts["dataset"]["prompts"] == 8
    assert facts["dataset"]["images"] == 23
    assert facts["metrics"]["loss"] > 0


def test_adapters_say_their_alpha(wanted: Wanted, tmp_path: Path) -> None:
    made = train(wanted("sd", "tuning.rank=4", "tuning.alpha=12"), tmp_path)
    with safe_open(made.folder / "pytorch_lora_weights.safetensors", "pt") as file:
        said = json.loads(file.metadata()["lora_adapter_metadata"])
    assert (said["unet.r"], said["unet.lora_alpha"]) == (4, 12)


def test_a_disk_that_fills_up_leaves_the_model_before(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(wanted("sd"), tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result, "save_adapters", full)
    with pytest.raises(StorageError, match="the model cannot be written"):
        train(wanted("sd", "run.steps=3"), tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert not (tmp_path / ".model.tmp").exists()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_pipeline_has_what_was_trained_in_single_precision(
    method: str, wanted: Wanted, tmp_path: Path
) -> None:
    half = ["model.dtype=bfloat16", "run.precision=bf16", "run.save=pipeline"]
    made = train(wanted("sd", f"tuning.method={method}", *half), tmp_path)
    kept = load_file(made.folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in kept.values()} == {torch.float32}
    if method == "full":
        assert same(kept, weights(tmp_path))
    else:
        rounded = [value for value in kept.values() if torch.equal(value, value.bfloat16().float())]
        base = load_file(
            Path(str(made.checkpoint)) / "unet" / "diffusion_pytorch_model.safetensors"
        )
        unchanged = [name for name, value in kept.items() if torch.equal(value, base[name])]
        assert 0 < len(unchanged) < len(kept)
        assert len(rounded) < len(kept) / 2


def test_what_may_be_published_names_no_folder_of_this_machine(
    wanted: Wanted, ranked: Path, tmp_path: Path
) -> None:
    recipe = wanted("sd")
    made = train(recipe, tmp_path)
    checkpoint = Path(str(recipe.model.checkpoint))
    for name in ("training.json", "README.md"):
        text = (made.folder / name).read_text()
        assert str(checkpoint.parent) not in text
        assert str(ranked.parent) not in text
        assert checkpoint.name in text
        assert ranked.name in text
    assert made.about["recipe"]["model"]["checkpoint"] == checkpoint.name
    assert made.about["recipe"]["data"]["dataset"] == ranked.name
    assert made.about["model"]["sha256"] == ids.folder_hash(checkpoint)
    assert len(made.about["dataset"]["content"]) == 64
    assert made.checkpoint == str(checkpoint)
    base = load_lines(made.about, "here", made.checkpoint)
    assert f"from_pretrained({str(checkpoint)!r}" in base
    assert "give the path" in load_lines(made.about, "here")
    assert "give the path" not in base
