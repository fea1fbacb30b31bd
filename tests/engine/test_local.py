"""Workers that are processes: killed outright, stopped, left without a command."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.engine.progress import Event
from synpic.engine.workers import engines, worker_process
from synpic.engine.workers.engines import Engine
from synpic.engine.workers.leases import IN_A_ROW
from synpic.engine.workers.local_pool import LocalPool
from synpic.engine.workers.worker import Progress, Worker, WorkerDied
from synpic.errors import MissingExtra, ModelError, SynpicError
from tests.cli.conftest import ENVIRONMENT, Run, Start
from tests.cli.conftest import run as run
from tests.cli.conftest import start as start
from tests.conftest import MakeRecipe, corrupt_parts
from tests.engine.test_workers import made, nothing_twice, table
from tests.fakes import Painter
from tests.workers import workers_of

TWO = Engine("local", workers=2)
SLOW = "call = { sleep = 0.2 }"


class Killed(Painter):
    """Is killed by a prompt."""

    def draw(self, prompts: Sequence[str], *rest: object) -> np.ndarray:
        if "prompt 0-5" in prompts:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().draw(prompts, *rest)  # type: ignore[arg-type]


class Noisy(Painter):
    """Prints where only JSON may be, and leaves a thread behind that never ends."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        print("a library says hello", flush=True)
        os.write(1, b"and so does one in C\n")
        threading.Thread(target=threading.Event().wait).start()


class Own(ModelError):
    """An error that is made otherwise than ours."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}", hint="look it up")


class RaisesItsOwn(Painter):
    def __init__(self, *arguments: Any) -> None:
        raise Own(7)


class KillsOne:
    """A listener that kills a worker when some of the work is done."""

    def __init__(self) -> None:
        self.killed: int | None = None
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self.killed is None and event.state == "working" and 0 < event.done < event.total:
            self.killed = workers_of(os.getpid())[-1].pid
            os.kill(self.killed, signal.SIGKILL)


def test_one_of_two_is_killed_and_the_set_is_as_if_one_had_made_it(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe(prompts=60, a=SLOW)
    alone = Workspace.create(tmp_path / "alone", text.replace("0.2", "0.0"))
    generate_candidates(alone, device="cpu")
    score_candidates(alone, device="cpu")
    workspace = Workspace.create(tmp_path / "set", text)

    kills = KillsOne()
    report = generate_candidates(workspace, device="cpu", engine=TWO, listener=kills)
    assert kills.killed is not None
    assert made(report) == [("a", 60, 0, 0), ("b", 60, 0, 0)]
    assert all(event.done <= event.total for event in kills.events)
    report = score_candidates(workspace, device="cpu", engine=TWO, together=True)
    assert made(report) == [("red", 120, 0, 0), ("blue", 120, 0, 0)]

    # The time to sleep is part of the fingerprint, and so of the id; all else is equal.
    order = ["prompt_id", "model", "sample"]
    one, other = (table(each).drop("candidate_id").sort(order) for each in (alone, workspace))
    assert one.equals(other)
    assert one.null_count().sum_horizontal().item() == 0
    assert nothing_twice(workspace)


@pytest.mark.slow
def test_a_prompt_that_kills_its_process_gets_a_reason(tmp_path: Path, recipe: MakeRecipe) -> None:
    text = recipe(prompts=16).replace("tests.fakes:Painter", "tests.engine.test_local:Killed", 1)
    workspace = Workspace.create(tmp_path / "set", text)
    report = generate_candidates(workspace, device="cpu", engine=TWO)
    assert made(report) == [("a", 12, 4, 0), ("b", 16, 0, 0)]
    ((*_, reason, number),) = status(workspace).failures
    assert number == 4
    assert reason == "3 workers died while they ran it, the last one by exit code -9"


@pytest.mark.slow
def test_rewards_one_by_one_on_two_workers(tmp_path: Path, recipe: MakeRecipe) -> None:
    tables = []
    for name, engine in (("one", engines.HERE), ("two", TWO)):
        workspace = Workspace.create(tmp_path / name, recipe(prompts=60))
        generate_candidates(workspace, device="cpu")
        report = score_candidates(workspace, device="cpu", engine=engine, together=False)
        assert made(report) == [("red", 120, 0, 0), ("blue", 120, 0, 0)]
        tables.append(table(workspace))
    assert tables[0].equals(tables[1])


def test_what_a_worker_prints_and_leaves_behind_is_in_nobodys_way(
    tmp_path: Path, recipe: MakeRecipe, run: Run
) -> None:
    text = recipe(prompts=16).replace("tests.fakes:Painter", "tests.engine.test_local:Noisy")
    workspace = Workspace.create(tmp_path / "set", text)
    options = ("--device", "cpu", "--workers", "2", "--json")
    ended = run("generate", *options, cwd=tmp_path / "set")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["complete"]
    assert all(json.loads(line) for line in ended.stdout.splitlines())
    assert "a library says hello" in ended.stderr
    assert "and so does one in C" in ended.stderr
    assert all(count.done == 16 for count in status(workspace).counts[:2])


class Unreadable:
    def __reduce__(self) -> tuple[object, ...]:
        return json.loads, ("this is no JSON",)


def returns_what_cannot_be_read(method: str) -> Unreadable:
    return Unreadable()


def test_a_worker_that_returns_what_cannot_be_read_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = LocalPool([], ["cpu"])
    try:
        pool.start(0)
        ((_, begun),) = pool.wait(60)
        assert begun == Progress()
        (worker,) = workers_of(os.getpid())
        monkeypatch.setattr(worker_process, "call", returns_what_cannot_be_read)
        pool.submit(0, "work")
        ((_, died),) = pool.wait(60)
        assert isinstance(died, WorkerDied)
        assert not worker.is_running()
    finally:
        pool.close()


def test_an_error_of_somebodys_own_comes_home_as_the_kind_it_is(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe(prompts=8).replace("tests.fakes:Painter", "tests.engine.test_local:RaisesItsOwn")
    workspace = Workspace.create(tmp_path / "set", text)
    report = generate_candidates(workspace, device="cpu", engine=TWO)
    for outcome in report.outcomes:
        assert type(outcome.broken) is ModelError
        assert (outcome.broken.message, outcome.broken.hint) == ("code 7", "look it up")


def wait_for(workspace: Workspace, process: object) -> None:
    while not workspace.folders("candidates") and process.poll() is None:  # type: ignore[attr-defined]
        time.sleep(0.05)


@pytest.mark.parametrize("to_all", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_signal_ends_all_with_grace(
    tmp_path: Path, recipe: MakeRecipe, start: Start, to_all: bool
) -> None:
    """A terminal sends Ctrl-C to every process there is; a scheduler's SIGTERM comes to one."""
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=400, a="call = { sleep = 0.1 }"))
    process = start("generate", "--device", "cpu", "--workers", "2", cwd=tmp_path / "set")
    wait_for(workspace, process)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    if to_all:
        for one in [*workers, psutil.Process(process.pid)]:
            one.send_signal(signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if to_all else 143)
    assert "everything finished so far is kept" in errors
    assert "Traceback" not in errors
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    counts = status(Workspace.open(workspace.store.root)).counts
    assert 0 < counts[0].done < 400
    assert counts[0].done % 4 == 0


def test_a_second_ctrl_c_ends_all_at_once(tmp_path: Path, recipe: MakeRecipe, start: Start) -> None:
    text = recipe(prompts=400, a="call = { sleep = 3600 }", b="call = { sleep = 3600 }")
    Workspace.create(tmp_path / "set", text)
    process = start("generate", "--device", "cpu", "--workers", "2", "--json", cwd=tmp_path / "set")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["state"] == "working":
            break
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGINT)
    time.sleep(2)
    assert process.poll() is None, "the batch in hand is not done"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert psutil.wait_procs(workers, timeout=20)[1] == []


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_by_workers(
    tmp_path: Path, recipe: MakeRecipe, workspace: Workspace
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import synpic\n"
        "print('runs')\n"
        f"workspace = synpic.Workspace.open({workspace.store.root!r})\n"
        "engine = synpic.Engine('local', workers=2)\n"
        "report = synpic.generate_candidates(workspace, device='cpu', engine=engine)\n"
        "print(all(outcome.left == 0 for outcome in report.outcomes))\n"
    )
    words = [sys.executable, str(script)]
    ended = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=280)
    assert ended.stdout.split() == ["runs", "True"], ended.stderr


def dies_at_once(baggage: bytes, device: str) -> None:
    os._exit(5)


@pytest.mark.slow
def test_a_device_whose_workers_die_before_they_have_work_is_left_idle(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "begin", dies_at_once)
    report = generate_candidates(workspace, device="cpu", engine=TWO)
    assert all(outcome.left == outcome.wanted for outcome in report.outcomes)
    for outcome in report.outcomes:
        assert "no worker is left to do the rest: exit code 5" in str(outcome.broken)
    assert len(report.remarks) == 2 * IN_A_ROW
    assert sum("it is not replaced" in remark for remark in report.remarks) == 2


@pytest.mark.slow
def test_workers_whose_command_is_killed_end_by_themselves_and_keep_what_they_have(
    tmp_path: Path, recipe: MakeRecipe, start: Start
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=400, a="call = { sleep = 0.1 }"))
    process = start("generate", "--device", "cpu", "--workers", "2", cwd=tmp_path / "set")
    wait_for(workspace, process)
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    found = status(Workspace.open(workspace.store.root)).counts
    assert 0 < found[0].done < 400
    assert corrupt_parts(workspace) == []


def test_a_workspace_in_memory_has_one_process(recipe: MakeRecipe) -> None:
    workspace = Workspace.create("memory://engines", recipe(prompts=8))
    with pytest.raises(SynpicError, match="lies in this process's memory"):
        generate_candidates(workspace, device="cpu", engine=TWO)
    generate_candidates(workspace, device="cpu", engine=Engine("local", workers=1))
    assert all(count.done for count in status(workspace).counts[:2])


@pytest.mark.parametrize(
    ("engine", "match"),
    [
        ({"kind": "slurm"}, "there is no such engine"),
        ({"workers": 0}, "at least one"),
        ({"gpus_per_worker": 0.5}, "is for --engine ray"),
        ({"kind": "ray", "gpus_per_worker": -1.0}, "give a fraction"),
        ({"kind": "ray", "gpus_per_worker": 1.5}, "divides one GPU, and not several"),
    ],
)
def test_an_engine_that_cannot_be(engine: dict[str, object], match: str) -> None:
    with pytest.raises(SynpicError, match=match):
        Engine(**engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "workers", "asked", "devices"),
    [
        (0, None, None, ["cpu"]),
        (0, 3, None, ["cpu"] * 3),
        (1, None, None, ["cuda"]),
        (1, 2, None, ["cuda"] * 2),
        (4, None, None, ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]),
        (4, 2, None, ["cuda:0", "cuda:1"]),
        (2, 3, None, ["cuda:0", "cuda:1", "cuda:0"]),
        (4, None, "cuda:1", ["cuda:1"]),
        (4, 2, "cuda:1", ["cuda:1"] * 2),
        (4, None, "cpu", ["cpu"]),
    ],
)
def test_a_worker_for_each_device(
    monkeypatch: pytest.MonkeyPatch,
    seen: int,
    workers: int | None,
    asked: str | None,
    devices: list[str],
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    pick = asked or ("cuda" if seen else "cpu")
    monkeypatch.setattr(engines, "pick_device", lambda device, use: pick)
    assert Engine("local", workers).devices(asked) == devices


def test_ray_that_is_not_installed_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="--engine ray needs Ray") as caught:
        generate_candidates(workspace, engine=Engine("ray"))
    assert "synpic[ray]" in str(caught.value.hint)


def test_a_process_that_cannot_be_started_is_a_worker_that_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", refuse)
    pool = LocalPool([], ["cpu"])
    pool.start(0)
    ((slot, result),) = pool.wait(1)
    pool.close()
    assert slot == 0
    assert isinstance(result, WorkerDied)
    assert "cannot be started: [Errno 11] Resource temporarily unavailable" in str(result)


class Full(io.StringIO):
    """A log on a full disk."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_is_full_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    assert Worker([], "cpu").call("work", {}) == Progress()
