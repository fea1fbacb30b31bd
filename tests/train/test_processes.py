"""Several processes take the steps of one; one that is killed costs nothing but time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synpic.train.loop import train
from synpic.train.settings import TrainRecipe
from tests.train.conftest import Wanted
from tests.train.runs import FULL, LORA, mean_difference, rows, same, weights

ROOT = Path(__file__).parents[2]

SCRIPT = """
import os, signal, sys
from pathlib import Path
from synpic.train.loop import train
from synpic.train.settings import TrainRecipe

recipe, out, cache, last = sys.argv[1:]

def listen(event):
    if event.stage == "train" and event.done == int(last):
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
