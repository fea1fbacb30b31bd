"""What a run leaves is there whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from synpic.errors import StorageError
from synpic.train import result
from synpic.train.loop import train
from tests.train.conftest import Wanted
from tests.train.runs import FULL


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
    assert found == sorted(["README.md", "training.json", *files])
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
