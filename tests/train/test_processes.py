"""Several processes take the steps of one; one that is killed costs nothing but time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from synpic.engine.progress import Event
from synpic.errors import StorageError, TrainingError
from synpic.train import processes
from synpic.train.settings import TrainRecipe
from synpic.train.training_loop import train
from tests.train.conftest import Wanted
from tests.train.runs import FULL, LORA, mean_difference, rows, same, weights

ROOT = Path(__file__).parents[2]

SCRIPT = """
import os, signal, sys
from pathlib import Path
from synpic.train.training_loop import train
from synpic.train.settings import TrainRecipe

recipe, out, cache, last = sys.argv[1:]

def listen(event):
    if event.stage == "train" and 0 < event.done == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

train(
    TrainRecipe.model_validate_json(Path(recipe).read_text()),
    out,
    cache=Path(cache),
    listener=listen,
)
"""


def run(
    recipe: TrainRecipe, folder: Path, cache: Path, *, processes: int = 1, last: int = 0
) -> subprocess.CompletedProcess[str]:
    """Train into ``folder/out``, in processes of its own; killed after step ``last``."""
    folder.mkdir()
    (folder / "run.py").write_text(SCRIPT)
    (folder / "recipe.json").write_text(recipe.model_dump_json())
    command = [str(folder / name) for name in ("run.py", "recipe.json", "out")]
    command += [str(cache), str(last)]
    if processes > 1:
        launch = f"-m torch.distributed.run --standalone --nproc_per_node {processes}"
        command = [*launch.split(), *command]
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "tuning"), [("sd3", LORA), ("sdxl", LORA), ("sd3", FULL), ("pixart_sigma", FULL)]
)
def test_two_processes_take_the_steps_of_one(
    kind: str, tuning: str, wanted: Wanted, tmp_path: Path
) -> None:
    more = [
        "optimizer.learning_rate=3e-3",
        "run.steps=4",
        "run.save_every=2",
        "run.accumulation=2",
        "samples.every=2",
    ]
    ended = run(
        wanted(kind, tuning, "run.batch_size=1", *more),
        tmp_path / "two",
        tmp_path / "cache",
        processes=2,
    )
    assert ended.returncode == 0, ended.stderr
    two = tmp_path / "two" / "out"
    train(wanted(kind, tuning, "run.batch_size=2", *more), tmp_path / "one")
    for ours, theirs in zip(rows(two), rows(tmp_path / "one"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    assert mean_difference(weights(two), weights(tmp_path / "one")) < 1e-5
    assert (two / "model" / "training.json").exists()
    # And one goes on where the two were.
    longer = [*more, "run.batch_size=2", "run.steps=5"]
    train(wanted(kind, tuning, *longer), two)
    train(wanted(kind, tuning, *longer), tmp_path / "one")
    assert mean_difference(weights(two), weights(tmp_path / "one")) < 1e-5


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_weights(
    wanted: Wanted, encoded: Path, tmp_path: Path
) -> None:
    recipe = wanted("sd", "run.steps=5", "run.save_every=2")
    ended = run(recipe, tmp_path / "killed", encoded, last=4)
    assert ended.returncode == -9, ended.stderr
    killed = tmp_path / "killed" / "out"
    assert [path.name for path in (killed / "checkpoints").iterdir()] == ["step-00000002"]
    train(recipe, killed)
    train(recipe, tmp_path / "whole")
    assert rows(tmp_path / "whole") == rows(killed)
    assert same(weights(tmp_path / "whole"), weights(killed))


def test_what_accelerate_is_told_of_accumulation_changes_nothing(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = wanted("sd", "optimizer.clip=0.01")
    train(recipe, tmp_path / "plain")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    train(recipe, tmp_path / "told")
    assert rows(tmp_path / "plain") == rows(tmp_path / "told")
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "told"))


@pytest.mark.parametrize(
    ("variable", "name"),
    [("DEEPSPEED", "DeepSpeed"), ("FSDP", "FSDP"), ("MEGATRON_LM", "Megatron-LM")],
)
def test_a_model_divided_among_processes_is_refused(
    variable: str, name: str, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{variable}", "true")
    with pytest.raises(TrainingError, match=f"accelerate is set to {name}") as caught:
        train(wanted("sd"), tmp_path / "out")
    assert "--num_processes" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_processes_that_find_different_checkpoints_stop(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-00000008").mkdir(parents=True)
    others: list[int] = []

    def gather(mine: torch.Tensor) -> torch.Tensor:
        return torch.cat([mine, torch.tensor(others, dtype=mine.dtype)])

    machine: Any = SimpleNamespace(device="cpu", gather=gather)
    here = tmp_path / "checkpoints" / "step-00000008"
    assert processes.agreed_checkpoint(tmp_path, machine) == here
    assert processes.agreed_checkpoint(tmp_path / "new", machine) is None
    others.append(8)
    assert processes.agreed_checkpoint(tmp_path, machine) == here
    others.append(-1)
    with pytest.raises(TrainingError, match="none and step 8") as caught:
        processes.agreed_checkpoint(tmp_path, machine)
    assert "all machines share" in str(caught.value.hint)


def test_two_runs_do_not_share_a_folder(wanted: Wanted, tmp_path: Path) -> None:
    recipe, tried = wanted("sd"), list[str]()

    def second(event: Event) -> None:
        if event.stage == "train" and not tried:
            with pytest.raises(TrainingError, match="another run is at work") as caught:
                train(recipe, tmp_path)
            tried.append(caught.value.message)

    train(recipe, tmp_path, listener=second)
    assert str(tmp_path / ".lock") in tried[0]
    train(recipe, tmp_path)  # the first is over


def test_a_folder_that_cannot_be_made_is_told(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError, match="out cannot be written"):
        train(wanted("sd"), tmp_path / "out")
