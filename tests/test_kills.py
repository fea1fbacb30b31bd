"""Fifty kills over one run, and what is there in the end is what is there without them."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pyarrow.parquet as pq
import pytest

from synpic import Workspace, status
from synpic.pipeline.inventory import take_inventory
from tests.cli.conftest import ENVIRONMENT
from tests.conftest import corrupt_parts
from tests.fakes import Painter
from tests.nursery import Child, Nursery, nursery
from tests.workers import workers_of

KILLS = 50

RECIPE = """
[prompts]
world = "shapes"
count = {prompts}

[models.shapes_unet]
batch_size = 8
steps = 10

[models.shapes_mmdit_small]
batch_size = 8
steps = 5

[models.fussy]
family = "tests.test_kills:Fussy"
checkpoint = "{weights}"
sizes = ["128x128"]
batch_size = 8
samples = 4
call = {{ refuse = ["above"], nan = ["below"] }}
"""


class Fussy(Painter):
    """Refuses some prompts and spoils others; as slow as the environment, not the recipe, says."""

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], width: int | None, height: int | None
    ) -> np.ndarray:
        time.sleep(float(os.environ.get("FUSSY_SLEEPS", "0")))
        return super().draw(prompts, seeds, width, height)


def parts(workspace: Workspace) -> int:
    return sum(len(workspace.parts(folder)) for folder in workspace.folders("candidates"))


def half_written(root: Path) -> set[str]:
    """Files that somebody writes, or was killed writing."""
    folders = [*root.glob("candidates/*"), root / "failures"]
    return {
        entry.path
        for folder in folders
        if folder.is_dir()
        for entry in os.scandir(folder)
        if entry.name.endswith(".tmp")
    }


class Killer:
    """Kills commands at moments that chance chooses, and counts what it did."""

    def __init__(self, workspace: Workspace, seed: int) -> None:
        self.workspace, self.root = workspace, Path(workspace.store.root)
        self.chance = random.Random(seed)
        self.kills = 0
        self.moments: Counter[str] = Counter()

    def kill(self, child: Child) -> None:
        """Kill ``child`` and all that it has started."""
        before = half_written(self.root)
        self.wait(child)
        assert child.kill() == -signal.SIGKILL
        self.moments["left half a file"] += bool(half_written(self.root) - before)
        self.kills += 1

    def kill_worker(self, child: Child) -> None:
        """Kill one of the workers that ``child`` has started, and nothing else."""
        self.wait(child)
        workers: list[psutil.Process] = []
        while not workers and self._runs(child):
            workers = workers_of(child.pid)
            time.sleep(0.001)
        self.chance.choice(workers).kill()
        self.kills += 1

    def wait(self, child: Child) -> None:
        """Until any time after it was begun; until soon after a part was written; or is being."""
        moment = self.chance.choice(["any", "after a part", "while writing"])
        self.moments[moment] += 1
        if moment == "any":
            self._pass(child, self.chance.uniform(0, 4))
        elif moment == "after a part":
            before = parts(self.workspace)
            while self._runs(child) and parts(self.workspace) == before:
                time.sleep(0.01)
            self._pass(child, self.chance.uniform(0, 0.5))
        else:
            left = half_written(self.root)
            while self._runs(child) and not half_written(self.root) - left:
                time.sleep(0.0002)
            self._pass(child, self.chance.choice([0, 0, 0.005]))

    def _pass(self, child: Child, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._runs(child) and time.monotonic() < until:
            time.sleep(0.001)

    def _runs(self, child: Child) -> bool:
        ended = child.poll()
        assert ended is None, f"it ended with {ended} before the kill:\n{child.log.read_text()}"
        return True


def candidates(workspace: Workspace) -> pl.DataFrame:
    rows = take_inventory(workspace).candidates()
    return rows.drop("seconds", "environment").sort("candidate_id")


def failures(workspace: Workspace) -> pl.DataFrame:
    return workspace.failures("generate").drop("attempts").sort("candidate_id")


def assert_equal(killed: Workspace, whole: Workspace) -> None:
    tables = [candidates(workspace) for workspace in (killed, whole)]
    assert tables[1].height > 0
    assert tables[0].equals(tables[1])
    refused = [failures(workspace) for workspace in (killed, whole)]
    assert refused[1].height > 0
    assert refused[0].equals(refused[1])
    found = [status(workspace) for workspace in (killed, whole)]
    assert [count.done for count in found[0].counts] == [count.done for count in found[1].counts]
    assert not any(count.doubled for count in found[0].counts)
    assert corrupt_parts(killed) == []
    # Not resolved on reading: no image was kept twice.
    everything = [part for folder in killed.folders("candidates") for part in killed.parts(folder)]
    assert sum(rows_of(killed, part) for part in everything) == tables[0].height


def rows_of(workspace: Workspace, part: str) -> int:
    return int(pq.read_metadata(workspace.store.path(part)).num_rows)


def workspaces(folder: Path, weights: Path, prompts: int) -> tuple[Workspace, Workspace]:
    text = RECIPE.format(prompts=prompts, weights=weights.as_posix())
    return Workspace.create(folder / "killed", text), Workspace.create(folder / "whole", text)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_over_one_run(tmp_path: Path, weights: Path) -> None:
    killed, whole = workspaces(tmp_path, weights, prompts=400)
    killer = Killer(killed, seed=0)
    words = ("-C", killed.store.root, "generate", "--device", "cpu")
    with nursery(tmp_path / "log", ENVIRONMENT) as here:
        while killer.kills < KILLS:
            killer.kill(here.start(*words, FUSSY_SLEEPS="0.2"))
        assert finish(here, killed) == finish(here, whole) != 0
    print(dict(killer.moments))
    assert killer.moments["left half a file"]
    assert_equal(killed, whole)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_workers_are_killed_alone_and_with_all_others(tmp_path: Path, weights: Path) -> None:
    killed, whole = workspaces(tmp_path, weights, prompts=400)
    killer = Killer(killed, seed=1)
    words = ("-C", killed.store.root, "generate", "--device", "cpu", "--workers", "2")
    with nursery(tmp_path / "log", ENVIRONMENT) as here:
        while killer.kills < KILLS // 2:
            child = here.start(*words, FUSSY_SLEEPS="0.4")
            # One that dies three times over the same images condemns them, as it should.
            for _ in range(killer.chance.randrange(3)):
                killer.kill_worker(child)
            killer.kill(child)
        assert finish(here, killed) == finish(here, whole) != 0
    print(dict(killer.moments))
    assert_equal(killed, whole)


def finish(here: Nursery, workspace: Workspace) -> int:
    return here.run("-C", workspace.store.root, "generate", "--device", "cpu")
