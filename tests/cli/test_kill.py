"""Killed at random moments and run again, a run ends where an uninterrupted one does."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from synpic import Workspace, status
from synpic.pipeline.inventory import take_inventory
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


SHAPES = """
[prompts]
world = "shapes"
count = 80

[models.shapes_mmdit_small]
steps = 2
batch_size = 4

[models.shapes_pixart]
steps = 2
batch_size = 4

[rewards.shapes_clip]
batch_size = 4
"""


@pytest.mark.parametrize(
    ("embedded", "words"),
    [
        (False, ()),
        pytest.param(True, (), marks=pytest.mark.slow),
        pytest.param(True, ("--workers", "2"), marks=pytest.mark.slow),
    ],
)
def test_two_processes_at_once(
    tmp_path: Path, recipe: MakeRecipe, start: Start, embedded: bool, words: tuple[str, ...]
) -> None:
    slow = "call = { sleep = 0.01 }"
    made = Workspace.create(
        tmp_path / "set", SHAPES if embedded else recipe(prompts=80, a=slow, more=MORE)
    )
    models, rewards = len(made.snapshot().recipe.models), len(made.snapshot().recipe.rewards)
    prompts = 80
    for verb, of, wanted in [
        ("generate", models, prompts),
        ("score", rewards, models * prompts),
    ]:
        options = (verb, "--json", "--device", "cpu")
        both = [
            start(*options, cwd=tmp_path / "set"),
            start(*options, *words, cwd=tmp_path / "set"),
        ]
        ends = [ended(process) for process in both]
        for end in ends:
            assert (end["complete"], end["stopped"]) == (True, False)
            assert [(o["wanted"], o["left"], o["failed"]) for o in end["outcomes"]] == [
                (wanted, 0, 0)
            ] * of
        for one, other in zip(*(end["outcomes"] for end in ends), strict=True):
            assert one["made"] + other["made"] >= wanted
            assert min(one["made"], other["made"], one["by_others"], other["by_others"]) >= 0
    rows = take_inventory(Workspace.open(made.store.root)).scored()
    assert rows["candidate_id"].n_unique() == rows.height == models * prompts
    assert sum(rows.null_count().select(pl.col("^score_.*$")).row(0)) == 0
    assert all(count.done == count.wanted for count in status(made).counts)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The report of a run that told of no number that cannot be."""
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    assert "stopped" not in errors
    *events, end = map(json.loads, output.splitlines())
    for event in events:
        assert 0 <= event["done"] <= event["total"], event
        assert (event["seconds_left"] or 0) >= 0
    found: dict[str, Any] = end
    return found
