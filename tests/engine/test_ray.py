"""The same work on a Ray cluster of two nodes: each a raylet of its own, with one processor."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.engine.progress import Event
from synpic.engine.workers import ray_pool
from synpic.engine.workers.engines import Engine
from synpic.errors import SynpicError
from synpic.workspace.storage import Store
from tests.cli.conftest import ENVIRONMENT, Start
from tests.cli.conftest import start as start
from tests.conftest import MakeRecipe
from tests.engine.test_workers import made, nothing_twice, table

RAY = Engine("ray")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    # Sockets lie in it, and their paths may not be long.
    temporary = Path(tempfile.mkdtemp(prefix="synpic", dir="/tmp"))
    (temporary / "ray").mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_TMPDIR", str(temporary))
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Actors look through what is installed first, and another project's `tests` may be there.
    patch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        cluster.wait_for_nodes()
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        patch.undo()
        shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture(autouse=True)
def one_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is seen late on one machine, and after a death nobody has to wait for it."""
    monkeypatch.setattr(ray_pool, "SIGHT", 1.0)


def workers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any("ray::RayWorker" in word for word in line):
            found.append(process)
    return found


def living(cluster: Any) -> set[str]:
    return {node["NodeID"] for node in cluster.global_state.node_table() if node["Alive"]}


class KillsOne:
    def __init__(self) -> None:
        self.killed: int | None = None
        self.at_once = 0
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self.killed is None and event.state == "working" and 0 < event.done < event.total:
            # Whoever listens keeps the driver waiting, and so all who ask it for work.
            until = time.monotonic() + 90
            while len(them := workers()) < 2 and time.monotonic() < until:
                time.sleep(0.1)
            self.at_once = len(them)
            self.killed = min(them, key=lambda process: process.create_time()).pid
            os.kill(self.killed, signal.SIGKILL)


def test_one_of_two_is_killed_and_the_set_is_as_if_one_had_made_it(
    cluster: Any, tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe(prompts=60, a="call = { sleep = 0.2 }")
    alone = Workspace.create(tmp_path / "alone", text.replace("0.2", "0.0"))
    generate_candidates(alone, device="cpu")
    score_candidates(alone, device="cpu")
    workspace = Workspace.create(tmp_path / "set", text)

    kills = KillsOne()
    report = generate_candidates(workspace, engine=RAY, listener=kills)
    assert kills.killed is not None
    assert kills.at_once == 2
    assert made(report) == [("a", 60, 0, 0), ("b", 60, 0, 0)]
    assert all(event.done <= event.total for event in kills.events)
    report = score_candidates(workspace, engine=RAY, together=True)
    assert made(report) == [("red", 120, 0, 0), ("blue", 120, 0, 0)]

    order = ["prompt_id", "model", "sample"]
    one, other = (table(each).drop("candidate_id").sort(order) for each in (alone, workspace))
    assert one.equals(other)
    assert one.null_count().sum_horizontal().item() == 0
    assert nothing_twice(workspace)
    assert list((tmp_path / "set").glob(".run-*")) == []


def test_machines_that_see_another_workspace_do_nothing_and_say_so(
    cluster: Any, tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=8))
    write = Store.write

    def unseen(self: Store, name: str, data: bytes) -> None:
        if not name.startswith(".run-"):
            write(self, name, data)

    monkeypatch.setattr(Store, "write", unseen)
    monkeypatch.setattr(ray_pool, "SIGHT", 0.0)
    report = generate_candidates(workspace, engine=RAY)
    for outcome in report.outcomes:
        assert "no worker is left" in str(outcome.broken)
        assert "is another folder on" in str(outcome.broken)
        assert outcome.left == outcome.wanted
    assert workspace.folders("candidates") == []


def test_gpus_that_the_cluster_lacks_are_refused(cluster: Any, workspace: Workspace) -> None:
    with pytest.raises(SynpicError, match="the most that one has is 0"):
        generate_candidates(workspace, engine=Engine("ray", gpus_per_worker=0.5))


def test_the_command_joins_the_cluster_and_a_lost_node_costs_nothing(
    cluster: Any, tmp_path: Path, recipe: MakeRecipe, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=400, a="call = { sleep = 0.05 }"))

    class LosesANode(KillsOne):
        def __call__(self, event: Event) -> None:
            if self.killed is None and event.state == "working" and event.done:
                self.killed = 0
                cluster.remove_node(third, allow_graceful=False)

    loses = LosesANode()
    report = generate_candidates(workspace, engine=RAY, listener=loses)
    assert loses.killed is not None
    assert made(report) == [("a", 400, 0, 0), ("b", 400, 0, 0)]
    # Else the command may join by way of the machine that is gone: here all have one address.
    until = time.monotonic() + 60
    while third.node_id in living(cluster) and time.monotonic() < until:
        time.sleep(0.2)
    monkeypatch.setitem(ENVIRONMENT, "RAY_ADDRESS", cluster.address)
    process = start("score", "--engine", "ray", "--workers", "1", cwd=tmp_path / "set")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert nothing_twice(workspace)
    assert table(workspace).null_count().sum_horizontal().item() == 0


def test_sigterm_ends_all_with_grace_and_what_workers_print_is_in_nobodys_way(
    cluster: Any, tmp_path: Path, recipe: MakeRecipe, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = recipe(prompts=400, a="call = { sleep = 0.1 }")
    text = text.replace("tests.fakes:Painter", "tests.engine.test_local:Noisy", 1)
    workspace = Workspace.create(tmp_path / "set", text)
    monkeypatch.setitem(ENVIRONMENT, "RAY_ADDRESS", cluster.address)
    process = start("generate", "--engine", "ray", "--json", cwd=tmp_path / "set")
    # The other model's parts may come first: it is drawn by the other worker, and faster.
    while not any("/a-" in one for one in workspace.folders("candidates")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 143, errors
    assert "everything finished so far is kept" in errors
    assert "Traceback" not in errors
    assert "a library says hello" in errors
    assert all(json.loads(line) for line in output.splitlines())
    done = status(Workspace.open(workspace.store.root)).counts[0].done
    assert 0 < done < 400
    assert done % 4 == 0
