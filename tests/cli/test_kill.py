"""Killed at random moments and run again, a run ends where an uninterrupted one does."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from synpic import Workspace, status
from synpic.inventory import take_inventory
from tests.cli.conftest import Run, Start
from tests.conftest import MakeRecipe, corrupt_parts

SLOW = "call = { sleep = 0.08 }"
MORE = '[rewards.slow]\nreward = "tests.fakes:slow_redness"\nbatch_size = 4'


def parts(workspace: Workspace, kind: str) -> int:
    return sum(len(workspace.parts(folder)) for folder in workspace.folders(kind))


def wait_for_work(workspace: Workspace, kind: str, process: object) -> None:
    """Until a first part is there: before it there is nothing for a kill to spoil."""
    before = parts(workspace, kind)
    while parts(workspace, kind) == before and process.poll() is None:  # type: ignore[attr-defined]
        time.sleep(0.05)


def kill_three_times(start: Start, workspace: Workspace, verb: str, kind: str) -> None:
    chance = random.Random()
    kills = 0
    for _ in range(3):
        process = start("-C", workspace.store.root, verb, "--device", "cpu")
        wait_for_work(workspace, kind, process)
        time.sleep(chance.uniform(0, 0.8))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert kills, "every run ended before it could be killed"


def test_generate_and_score_survive_kills(
    tmp_path: Path, recipe: MakeRecipe, run: Run, start: Start
) -> None:
    text = recipe(prompts=330, a=SLOW, more=MORE)
    killed = Workspace.create(tmp_path / "killed", text)
    whole = Workspace.create(tmp_path / "whole", text.replace(SLOW, ""))

    kill_three_times(start, killed, "generate", "candidates")
    assert run("generate", "-C", tmp_path / "killed", "--device", "cpu").returncode == 0
    assert run("generate", "--device", "cpu", cwd=tmp_path / "whole").returncode == 0
    kill_three_times(start, killed, "score", "scores")
    assert run("score", "-C", tmp_path / "killed", "--device", "cpu").returncode == 0
    assert run("score", "--device", "cpu", cwd=tmp_path / "whole").returncode == 0

    columns = ["prompt_id", "model", "sample", "seed", "sha256", "batch_size"]
    scores = ["score_red", "score_blue", "score_slow"]
    tables = []
    for workspace in (killed, whole):
        rows = take_inventory(Workspace.open(workspace.store.root)).scored()
        assert rows.height == 660
        tables.append(rows.select(*columns, *scores).sort("prompt_id", "model", "sample"))
    # The model that slept has another fingerprint, and so other candidate ids; all else is equal,
    # bytes too: chunks are made again whole, so every image was drawn in the same company.
    assert tables[0].equals(tables[1])
    assert tables[0].select(pl.col(scores).null_count()).sum_horizontal().item() == 0
    found = status(Workspace.open(killed.store.root))
    assert not any(count.doubled for count in found.counts)
    assert corrupt_parts(killed) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_grace(
    tmp_path: Path, recipe: MakeRecipe, run: Run, start: Start, number: signal.Signals
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=400, a="call = { sleep = 0.1 }"))
    process = start("generate", "--device", "cpu", cwd=tmp_path / "set")
    wait_for_work(workspace, "candidates", process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "everything finished so far is kept" in errors
    assert "`synpic generate` goes on from here" in errors
    assert "Traceback" not in errors
    counts = status(Workspace.open(workspace.store.root)).counts
    assert 0 < counts[0].done < 400
    assert counts[0].done % 4 == 0


def test_two_processes_at_once(tmp_path: Path, recipe: MakeRecipe, start: Start) -> None:
    Workspace.create(tmp_path / "set", recipe(prompts=200, a="call = { sleep = 0.02 }"))
    both = [start("generate", "--device", "cpu", cwd=tmp_path / "set") for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    counts = status(Workspace.open(tmp_path / "set")).counts
    assert [(count.wanted, count.done) for count in counts[:2]] == [(200, 200), (200, 200)]
