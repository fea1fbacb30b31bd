"""Workers and commands that are stopped by a signal or hang: a run goes on and loses no work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL.Image import Image

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.engine.progress import Event
from tests.cli.conftest import Start
from tests.cli.conftest import start as start
from tests.conftest import MakeRecipe
from tests.engine.test_local import TWO, wait_for
from tests.engine.test_workers import made, nothing_twice, table
from tests.fakes import Painter, redness
from tests.workers import workers_of


class Hangs(Painter):
    """Never comes back from a prompt, in the first process that draws it."""

    def draw(self, prompts: Sequence[str], *rest: object) -> np.ndarray:
        if "prompt 0-21" in prompts and _first(self.settings.call["sign"]):
            time.sleep(3600)
        time.sleep(0.02)
        return super().draw(prompts, *rest)  # type: ignore[arg-type]


def leaves_a_child(prompt: str, image: Image, sign: str) -> float:
    """Forks a child that lives on, and dies, once."""
    if prompt == "prompt 0-21" and _first(sign):
        child = os.fork()
        if child == 0:
            time.sleep(900)
            os._exit(0)
        Path(sign).write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)
    return redness(prompt, image)


def _first(sign: str) -> bool:
    try:
        os.close(os.open(sign, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@pytest.fixture(autouse=True)
def deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNPIC_WORKER_DEADLINE", "2")


class StopsAll:
    """A listener that stops every worker when some of the work is done."""

    def __init__(self) -> None:
        self.stopped: list[psutil.Process] = []
        self.news: list[str] = []

    def __call__(self, event: Event) -> None:
        self.news += [event.news] if event.news else []
        if not self.stopped and event.state == "working" and 0 < event.done < event.total:
            self.stopped = workers_of(os.getpid())
            for worker in self.stopped:
                worker.suspend()


def test_stopped_workers_are_killed_and_others_do_their_work(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    # Workers report about once a second: the work takes several.
    text = recipe(prompts=60, a="call = { sleep = 0.2 }")
    alone = Workspace.create(tmp_path / "alone", text)
    generate_candidates(alone, device="cpu")
    workspace = Workspace.create(tmp_path / "set", text)
    stops = StopsAll()
    report = generate_candidates(workspace, device="cpu", engine=TWO, listener=stops)
    assert len(stops.stopped) == 2
    assert made(report) == [("a", 60, 0, 0), ("b", 60, 0, 0)]
    assert any("nothing was heard of it for" in news for news in stops.news)
    assert not any(worker.is_running() for worker in stops.stopped)
    assert table(workspace).equals(table(alone))
    assert nothing_twice(workspace)


@pytest.mark.slow
def test_a_batch_that_hangs_once_is_made_by_another(tmp_path: Path, recipe: MakeRecipe) -> None:
    call = f"call = {{ sign = '{tmp_path / 'sign'}' }}"
    text = recipe(prompts=40, a=call).replace("fakes:Painter", "engine.test_stopped:Hangs", 1)
    workspace = Workspace.create(tmp_path / "set", text)
    report = generate_candidates(workspace, device="cpu", engine=TWO)
    assert made(report) == [("a", 40, 0, 0), ("b", 40, 0, 0)]
    assert (tmp_path / "sign").exists()
    assert nothing_twice(workspace)


@pytest.mark.slow
def test_a_child_that_outlives_a_worker_does_not_hide_its_death(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    sign = tmp_path / "sign"
    more = (
        '[rewards.forks]\nreward = "tests.engine.test_stopped:leaves_a_child"\n'
        f"options = {{ sign = '{sign}' }}"
    )
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=40, more=more))
    generate_candidates(workspace, device="cpu")
    report = score_candidates(workspace, device="cpu", engine=TWO)
    assert [(o.made, o.left) for o in report.outcomes] == [(80, 0)] * 3
    psutil.Process(int(sign.read_text())).kill()


@pytest.mark.slow
def test_a_command_that_is_stopped_goes_on_when_it_is_continued(
    tmp_path: Path, recipe: MakeRecipe, start: Start
) -> None:
    text = recipe(prompts=200, a="call = { sleep = 0.05 }")
    workspace = Workspace.create(tmp_path / "set", text)
    process = start("generate", "--device", "cpu", "--workers", "2", cwd=tmp_path / "set")
    wait_for(workspace, process)
    everyone = [psutil.Process(process.pid), *workers_of(process.pid)]
    for one in everyone:
        one.suspend()
    time.sleep(6)
    for one in everyone:
        one.resume()
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "killed" not in errors
    assert [count.done for count in status(workspace).counts[:2]] == [200, 200]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGTERM])
def test_no_worker_outlives_a_command_that_was_killed(
    tmp_path: Path, recipe: MakeRecipe, start: Start, how: signal.Signals
) -> None:
    """Not one that hangs in its batch either, nor one that was stopped and goes on later."""
    call = "call = { sleep = 3600 }"
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=400, a=call, b=call))
    process = start("generate", "--device", "cpu", "--workers", "2", cwd=tmp_path / "set")
    until(lambda: len(workers_of(process.pid)) == 2)
    time.sleep(8)  # both draw
    workers = workers_of(process.pid)
    for worker in workers:
        worker.send_signal(how)
    process.kill()
    process.wait()
    for worker in workers:
        worker.resume()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert workspace.parts("candidates") == []


def until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.05)
