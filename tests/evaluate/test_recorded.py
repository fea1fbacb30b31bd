"""What an evaluation leaves behind for later ones and for publishing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import StorageError
from synpic.evaluate.evaluation import Evaluation, evaluate_models
from synpic.evaluate.report import record_evaluation, whole_dict
from synpic.evaluate.trained_with import record_of_training
from synpic.ids import file_hash
from synpic.recipe.settings import ModelSettings
from synpic.workspace import Workspace
from synpic.workspace.evaluation_values import values_beside
from synpic.workspace.evaluations import EVALUATION, read_evaluation
from tests.conftest import edit
from tests.evaluate.test_evaluation import PROMPTS, better, two_models
from tests.publish.fixtures import build, recipe


@pytest.fixture
def evaluated(tmp_path: Path) -> tuple[Workspace, Evaluation]:
    workspace = two_models(tmp_path / "set", score=better)
    return workspace, evaluate_models(workspace)


def test_a_workspace_keeps_what_was_found(
    evaluated: tuple[Workspace, Evaluation], tmp_path: Path
) -> None:
    workspace, found = evaluated
    assert record_evaluation(found, workspace)
    file = tmp_path / "set" / EVALUATION
    recorded = read_evaluation(tmp_path / "set")
    assert (recorded.base, recorded.prompts) == ("alpha", 30)
    assert json.loads(file.read_text("utf-8")) == whole_dict(found)
    before = file.stat()
    assert not record_evaluation(found, workspace)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert record_evaluation(evaluate_models(workspace, base="beta"), workspace)
    assert read_evaluation(file).base == "beta"
    assert Workspace.open(workspace.store.root).verify().damaged == []


@pytest.mark.parametrize("name", [EVALUATION, values_beside(EVALUATION)])
@pytest.mark.parametrize("damage", [b"", b"PAR1 of another", None])
def test_a_damaged_file_is_written_again(
    evaluated: tuple[Workspace, Evaluation], name: str, damage: bytes | None
) -> None:
    workspace, found = evaluated
    record_evaluation(found, workspace)
    file = Path(workspace.store.root) / name
    whole = file.read_bytes()
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    assert record_evaluation(found, workspace)
    assert file.read_bytes() == whole


def test_a_dry_run_writes_nothing(evaluated: tuple[Workspace, Evaluation]) -> None:
    workspace, found = evaluated
    unwritten = workspace.without_writing()
    assert record_evaluation(found, unwritten)
    assert not record_evaluation(found, unwritten)
    assert not workspace.store.exists(EVALUATION)


def test_a_disk_that_refuses_leaves_what_was_there(
    evaluated: tuple[Workspace, Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, found = evaluated
    record_evaluation(found, workspace)
    before = workspace.store.read(EVALUATION)

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"eval\.parquet"):
        record_evaluation(evaluate_models(workspace, base="beta"), workspace)
    assert workspace.store.read(EVALUATION) == before
    assert not list(Path(workspace.store.root).glob(".*.tmp"))


def test_the_same_prompts_have_the_same_hash(tmp_path: Path) -> None:
    found = evaluate_models(two_models(tmp_path / "set", score=better))
    other = build(
        tmp_path / "other", list(reversed(PROMPTS)), text=recipe(("beta", "gamma")), score=better
    )
    assert evaluate_models(other).prompts_hash == found.prompts_hash
    fewer = build(tmp_path / "fewer", PROMPTS[1:], text=recipe(("alpha", "beta")), score=better)
    assert evaluate_models(fewer).prompts_hash != found.prompts_hash


@pytest.mark.parametrize(
    ("settings", "record"),
    [
        ({"checkpoint": "whole"}, "whole"),
        ({"checkpoint": "bare"}, None),
        ({"checkpoint": "user/hub"}, None),
        ({"checkpoint": "user/hub", "adapters": [{"checkpoint": "lora"}]}, "lora"),
        ({"checkpoint": "whole", "adapters": [{"checkpoint": "lora"}]}, "lora"),
        ({"checkpoint": "whole", "adapters": [{"checkpoint": "bare"}]}, None),
        ({"checkpoint": "bare", "adapters": [{"checkpoint": "lora", "scale": 0.5}]}, None),
        (
            {"checkpoint": "bare", "adapters": [{"checkpoint": one} for one in ("lora", "bare")]},
            None,
        ),
        ({"checkpoint": "whole", "components": {"unet": {"checkpoint": "bare"}}}, None),
        ({"checkpoint": "whole", "components": {"vae": {"checkpoint": "bare"}}}, "whole"),
    ],
)
def test_a_record_is_of_what_draws(
    tmp_path: Path, settings: dict[str, Any], record: str | None
) -> None:
    for name in ("whole", "lora", "bare"):
        (tmp_path / name).mkdir()
    for name in ("whole", "lora"):
        (tmp_path / name / "training.json").write_text(name)
    found = record_of_training(ModelSettings.model_validate(settings), tmp_path)
    assert found == (record and file_hash(tmp_path / record / "training.json"))


def test_a_recipe_that_changes_is_another_evaluation(tmp_path: Path) -> None:
    workspace = two_models(tmp_path / "set", score=better)
    record_evaluation(evaluate_models(workspace), workspace)
    before = workspace.store.read(EVALUATION)
    fewer = edit(workspace, recipe(("alpha", "beta"), samples=1))
    assert record_evaluation(evaluate_models(fewer), fewer)
    assert workspace.store.read(EVALUATION) != before
