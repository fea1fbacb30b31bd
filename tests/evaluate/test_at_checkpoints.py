"""Evaluations on the way of a training run, of a packaged model of the embedded world."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import polars as pl
import pytest
from safetensors import safe_open

from synpic import Workspace
from synpic.errors import RecipeError
from synpic.evaluate.at_checkpoints import CheckpointEvaluation
from synpic.evaluate.evaluation import evaluate_models
from synpic.pipeline.inventory import take_inventory
from synpic.publish import publish_to
from synpic.release.cards.training_prompts import CHECKPOINT_PROMPTS
from synpic.shapes.meaning import parse
from synpic.shapes.prompts import prompts, split_of
from synpic.train.settings import parse_train_recipe
from tests.cli.conftest import Run, Start, in_process, run, start
from tests.publish.fixtures import build, picture
from tests.train.runs import rows

__all__ = ["run", "start"]

RECIPE = """
[model]
model = "shapes_mmdit_small"
steps = 2

[data]
dataset = "{dataset}"

[objective]
beta = 100.0

[optimizer]
learning_rate = 1e-3

[run]
steps = 3
batch_size = 2
"""

EVALUATE = '\n[evaluate]\nevery = 2\nsuite = "shapes"\nlimit = 6\n'


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A release of pictures of the embedded world's size, and caches."""
    root = tmp_path_factory.mktemp("learnt")
    asked = [(text, "train") for text, _ in prompts(6, 0, "train")]
    workspace = build(root / "set", asked, draw=lambda row: picture(row, 32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", root / "datasets")
        patch.setenv("SYNPIC_CACHE", str(root / "cache"))
        yield publish_to(workspace, root / "out", configs=["ranked"]).directory


@pytest.fixture
def recipe(learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tune.toml"
    path.write_text(RECIPE.format(dataset=learnt.as_posix()) + EVALUATE)
    return path


def drawn(run_folder: Path) -> pl.DataFrame:
    """Every image of the evaluations of a run, as often as it was drawn."""
    workspace = Workspace.open(run_folder / "evaluations")
    parts = [part for one in workspace.folders("candidates") for part in workspace.parts(one)]
    return pl.read_parquet(
        [f"{workspace.store.root}/{part}" for part in parts], columns=["candidate_id", "model"]
    )


def test_a_run_is_evaluated_on_the_way(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("limit = 6", "limit = 2"))
    shown = in_process("train", "tune.toml", "--dry-run")
    assert "evaluations   2 left, by 2 prompts of shapes_validation: 6 images to draw" in (
        shown.stdout
    )
    one = ("--set", "run.steps=1")
    shown = in_process("train", "tune.toml", *one)
    assert shown.exit_code == 0, shown.output
    assert "train rankdpo: shapes_validation after step 1: shapes" in shown.stderr
    assert "shapes_validation after step 1: shapes" in shown.stdout
    assert "synpic view tune/evaluations" in shown.stdout
    folder = Path("tune/evaluations")
    assert [path.name for path in folder.glob("step-*")] == ["step-00000001.json"]
    workspace = Workspace.open(folder)
    texts = take_inventory(workspace).prompts["prompt"].to_list()
    assert {split_of(parse(text)) for text in texts} == {"validation"}
    assert drawn(Path("tune"))["model"].value_counts()["count"].to_list() == [2, 2]
    facts = json.loads(Path("tune/model/training.json").read_text())
    assert [one["step"] for one in facts["evaluations"]] == [1]
    assert facts["evaluations"][0]["metrics"]["shapes"]["missing"] == 0
    written = Path("tune/model/README.md").read_text()
    assert "## Evaluations in training" in written
    assert "All models were drawn alike: 1 image a prompt, " in written
    found = evaluate_models(workspace)
    assert list(found.models) == ["base", "step_00000001"]
    assert "after step 1" in in_process("train", "tune.toml", *one).stdout  # which does nothing
    shown = in_process("train", "tune.toml", "--dry-run", "--json")
    assert json.loads(shown.stdout)["evaluations"]["steps"] == [2, 3]


def weights(run: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """What the adapter of a run holds. The order in a file's header is not its writer's choice."""
    with safe_open(run / "model" / "pytorch_lora_weights.safetensors", "np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


@pytest.mark.slow
def test_the_curve_is_the_same_with_evaluations_and_without(recipe: Path) -> None:
    in_process("train", "tune.toml")
    assert drawn(Path("tune"))["model"].value_counts()["count"].to_list() == [6] * 3
    plain = recipe.read_text().replace(EVALUATE, "")
    Path("plain.toml").write_text(plain)
    in_process("train", "plain.toml")
    assert rows(Path("plain")) == rows(Path("tune"))
    assert weights(Path("plain")) == weights(Path("tune"))


@pytest.mark.slow
def test_killed_in_an_evaluation_a_run_goes_on_and_draws_nothing_twice(
    recipe: Path, run: Run, start: Start
) -> None:
    process: subprocess.Popen[str] = start("train", "tune.toml", cwd=recipe.parent)
    parts = recipe.parent / "tune" / "evaluations" / "candidates"
    while not list(parts.glob("*/part-*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    assert not list(parts.parent.glob("step-*.json"))
    model = parts.parent / "models" / "step-00000002" / "training.json"
    before = model.stat().st_mtime_ns
    assert run("train", "tune.toml", cwd=recipe.parent).returncode == 0
    assert model.stat().st_mtime_ns == before
    found = drawn(recipe.parent / "tune")
    assert found["candidate_id"].is_duplicated().sum() == 0
    assert found.height == 18
    assert [row["step"] for row in rows(recipe.parent / "tune")] == [1, 2, 3]


@pytest.mark.slow
def test_what_was_evaluated_after_the_last_checkpoint_is_not_believed(recipe: Path) -> None:
    in_process("train", "tune.toml", "--set", "run.steps=2", "--set", "evaluate.every=1")
    shutil.rmtree("tune/checkpoints/step-00000002")
    shutil.rmtree("tune/model")
    shown = in_process("train", "tune.toml", "--set", "run.steps=2", "--set", "evaluate.every=1")
    assert shown.exit_code == 0
    assert "after step 2" in shown.stderr
    assert "after step 1" not in shown.stderr  # it has its checkpoint
    assert drawn(Path("tune"))["candidate_id"].is_duplicated().sum() == 0


OWN = 'prompt,tag\n"a red circle",one\n"a blue square",one\n"two stars",two\n"a star",two\n'


def test_other_suites_leave_half_of_themselves_for_the_report(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halves.py").write_text(
        "from synpic.prompts.suites import Suite, SuiteContent, SuiteItem\n"
        "TEXTS = ('a red circle', 'a blue square', 'two stars', 'a star')\n"
        "OWN = Suite('own', 'four', lambda data: SuiteContent([SuiteItem(t, t) for t in TEXTS]),\n"
        "            judges={'shapes': {}})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    text = recipe.read_text()

    def evaluation(*changes: str) -> CheckpointEvaluation:
        return CheckpointEvaluation(parse_train_recipe(text, changes=changes), tmp_path / "tune")

    with pytest.raises(RecipeError, match=r"evaluate\.limit: 4 of the 4 items of halves:OWN"):
        evaluation("evaluate.suite=halves:OWN")
    half = ["evaluate.suite=halves:OWN", "evaluate.limit=2"]
    assert evaluation(*half).prompts == ["a red circle", "a blue square"]
    (tmp_path / "own.csv").write_text(OWN)
    own = evaluation("evaluate.suite=own.csv", 'evaluate.judges=["shapes"]')
    assert own.prompts == ["a red circle", "two stars", "a blue square", "a star"]
    with pytest.raises(RecipeError, match="evaluate: 'shape' is no registered suite"):
        evaluation("evaluate.suite=shape")


def test_the_final_evaluation_counts_prompts_that_checkpoints_were_evaluated_by(
    recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.csv").write_text(OWN)
    changes = ["evaluate.suite=own.csv", 'evaluate.judges=["shapes"]', "evaluate.limit=2"]
    words = [word for change in changes for word in ("--set", change)]
    shown = in_process("train", "tune.toml", *words, "--set", "run.steps=1")
    assert shown.exit_code == 0, shown.output
    assert len((tmp_path / "tune/model" / CHECKPOINT_PROMPTS).read_text().splitlines()) == 2
    shown = in_process("eval", "tune", "--suite", "own.csv", "--judge", "shapes")
    assert shown.exit_code == 0, shown.output
    assert (
        "tune was evaluated at checkpoints by 2 of 4 prompts. On the 2 that no model was trained "
        "on or evaluated by at checkpoints, by shapes:"
    ) in " ".join(shown.stdout.split())
