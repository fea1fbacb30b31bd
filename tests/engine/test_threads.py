"""Threads follow the affinity mask, Slurm and the environment, wherever they are started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synpic.engine import threads
from synpic.engine.workers.local_pool import LocalPool
from synpic.train import training_steps

ROOT = Path(__file__).parents[2]
VARIABLES = (
    *("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "SLURM_CPUS_PER_TASK", "SYNPIC_CPUS"),
    "LOCAL_WORLD_SIZE",
)

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of which this process may use ``mask`` processors, in an environment."""

    def make(mask: int, **variables: str) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(mask)), raising=False)
        monkeypatch.setattr(threads, "_settled", set())
        for name in VARIABLES:
            # First set, so that it is put back after what settle() does.
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return make


@pytest.mark.parametrize(
    ("mask", "variables", "cores"),
    [
        (64, {}, 64),
        (64, {"SLURM_CPUS_PER_TASK": "4"}, 4),
        (2, {"SLURM_CPUS_PER_TASK": "4"}, 2),
        (64, {"SLURM_CPUS_PER_TASK": "4", "SYNPIC_CPUS": "2"}, 2),
        (64, {"SYNPIC_CPUS": "128"}, 64),
        (64, {"OMP_NUM_THREADS": "3"}, 64),
        *((64, {"SLURM_CPUS_PER_TASK": odd}, 64) for odd in ("", "0", "-1", "x", "1.5", "²")),
    ],
)
def test_processors(mask: int, variables: dict[str, str], cores: int, machine: Machine) -> None:
    machine(mask, **variables)
    assert threads.cores() == cores
    assert threads.pool(8) == min(8, cores)


@pytest.mark.parametrize(
    ("variables", "set_"),
    [
        ({}, {}),
        ({"SLURM_CPUS_PER_TASK": "64"}, {}),
        ({"SLURM_CPUS_PER_TASK": "4"}, {"OMP_NUM_THREADS": "4", "POLARS_MAX_THREADS": "4"}),
        ({"SLURM_CPUS_PER_TASK": "4", "OMP_NUM_THREADS": "2"}, {"POLARS_MAX_THREADS": "2"}),
        ({"OMP_NUM_THREADS": "2,1"}, {"POLARS_MAX_THREADS": "2"}),
        ({"SLURM_CPUS_PER_TASK": "4", "POLARS_MAX_THREADS": "9"}, {"OMP_NUM_THREADS": "4"}),
    ],
)
def test_what_libraries_are_told(
    variables: dict[str, str], set_: dict[str, str], machine: Machine
) -> None:
    machine(64, **variables)
    threads.settle()
    assert {name: os.environ[name] for name in VARIABLES if name in os.environ} == variables | set_


@pytest.mark.parametrize(
    ("variables", "cpus", "libraries"),
    [
        ({}, "21", "21"),
        ({"SLURM_CPUS_PER_TASK": "7"}, "2", "2"),
        ({"SLURM_CPUS_PER_TASK": "2"}, "1", "1"),
        ({"OMP_NUM_THREADS": "5"}, "21", "5"),
    ],
)
def test_workers_share(
    variables: dict[str, str], cpus: str, libraries: str, machine: Machine
) -> None:
    machine(64, **variables)
    threads.settle()
    found = LocalPool([], ["cpu", "cpu", "cpu"])._environment
    assert found["SYNPIC_CPUS"] == cpus
    assert found["OMP_NUM_THREADS"] == found["POLARS_MAX_THREADS"] == libraries


def test_readers_of_batches_share_too(machine: Machine) -> None:
    machine(64, SLURM_CPUS_PER_TASK="8")
    assert [training_steps._loaders(wanted) for wanted in (0, 3, 99)] == [0, 3, 8]
    machine(64, SLURM_CPUS_PER_TASK="8", LOCAL_WORLD_SIZE="4")
    assert [training_steps._loaders(wanted) for wanted in (0, 1, 99)] == [0, 1, 2]


SHOW = """
import json, os, sys
mask = int(sys.argv[1])
if mask:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:mask])
from synpic_cli import main
main.app = lambda: None
from contextlib import suppress
with suppress(SystemExit):
    main.run()
import polars, pyarrow, torch
from synpic.engine.threads import cores
libraries = [torch.get_num_threads(), polars.thread_pool_size(), pyarrow.cpu_count()]
print(json.dumps([cores(), *libraries]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there are no masks here")
@pytest.mark.parametrize(
    ("mask", "variables", "own"),
    [
        (0, {"SLURM_CPUS_PER_TASK": "1"}, 1),
        pytest.param(1, {}, 1, marks=pytest.mark.slow),
        pytest.param(0, {"OMP_NUM_THREADS": "1"}, None, marks=pytest.mark.slow),
    ],
    ids=["Slurm", "mask", "OMP_NUM_THREADS"],
)
def test_a_command_and_its_libraries_take_one(
    mask: int, variables: dict[str, str], own: int | None
) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    shown = subprocess.run(
        [sys.executable, "-c", SHOW, str(mask)],
        env=kept | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    cores, *libraries = json.loads(shown.stdout)
    assert libraries == [1, 1, 1]
    assert cores == (own or len(os.sched_getaffinity(0)))


def test_nobody_else_counts_processors() -> None:
    modules = [*(ROOT / "synpic").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    counting = [
        path.name
        for path in modules
        if any(word in path.read_text("utf-8") for word in ("cpu_count(", "sched_getaffinity"))
    ]
    assert counting == ["threads.py"]
