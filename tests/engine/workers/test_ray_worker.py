"""Actors at real work, from the pool to the parts: in this process, with a stand-in for Ray."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synpic import Workspace, generate_candidates, score_candidates
from synpic.engine.threads import CPUS
from synpic.engine.workers import ray_pool, worker
from synpic.engine.workers.engines import Engine
from synpic.workspace.storage import Store
from tests.conftest import MakeRecipe
from tests.engine.test_workers import made, nothing_twice, table
from tests.engine.workers.test_ray_pool import Method, RayError, RayTaskError, StandIn


class InThisProcess(StandIn):
    """Makes actors and runs their calls, each when it is asked for. What travels is pickled."""

    def __init__(self, nodes: list[dict[str, float]]) -> None:
        super().__init__(nodes)
        self.calls: dict[str, Any] = {}
        self.dies_at: int | None = None
        """The number of the call, from 0, in which the first actor dies."""

    def _made(self, kind: type, options: dict[str, Any]) -> Any:
        self.options.append((kind.__name__, options))
        number, actor = len(self.options), kind()

        def run(method: str, arguments: tuple[Any, ...]) -> str:
            call = f"{number}: {sum(one.startswith(f'{number}:') for one in self.calls)}"
            if call == f"1: {self.dies_at}":
                self.calls[call] = RayError("The actor died.")
                return call
            try:
                result = getattr(actor, method)(*pickle.loads(pickle.dumps(arguments)))
                self.calls[call] = pickle.loads(pickle.dumps(result))
            except Exception as error:
                self.calls[call] = RayTaskError(pickle.loads(pickle.dumps(error)))
            return call

        return SimpleNamespace(
            name=number,
            actor=actor,
            begin=Method(lambda *arguments: run("begin", arguments)),
            call=Method(lambda *arguments: run("call", arguments)),
        )

    def wait(self, calls: list[str], **options: Any) -> tuple[list[Any], list[Any]]:
        return calls, []

    def get(self, call: str) -> Any:
        result = self.calls[call]
        if isinstance(result, Exception):
            raise result
        return result

    def kill(self, actor: Any) -> None:
        super().kill(actor)
        if kept := vars(actor.actor).get("_worker"):
            kept.for_ever.close()


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[InThisProcess]:
    """Two nodes with one processor each. What an actor changes of its process is put back."""
    ray = InThisProcess([{"CPU": 1.0}, {"CPU": 1.0}])
    monkeypatch.setattr(ray_pool, "_ray", lambda: ray)
    monkeypatch.setattr(ray_pool, "SIGHT", 0.0)
    monkeypatch.setattr(ray_pool, "LAST_WORDS", 0.0)
    monkeypatch.setattr(worker, "CALL_SECONDS", 0.02)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(CPUS, "2")
    stdout = os.dup(1)
    yield ray
    sys.stdout.flush()
    os.dup2(stdout, 1)
    os.close(stdout)


@pytest.mark.parametrize("dies_at", [None, 2])
def test_two_actors_make_what_one_process_makes(
    ray: InThisProcess, tmp_path: Path, recipe: MakeRecipe, dies_at: int | None
) -> None:
    alone = Workspace.create(tmp_path / "alone", recipe(prompts=20))
    generate_candidates(alone, device="cpu")
    score_candidates(alone, device="cpu")
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=20))

    ray.dies_at = dies_at
    report = generate_candidates(workspace, engine=Engine("ray"))
    assert made(report) == [("a", 20, 0, 0), ("b", 20, 0, 0)]
    lost = [call for call, result in ray.calls.items() if isinstance(result, RayError)]
    assert lost == ([] if dies_at is None else [f"1: {dies_at}"])
    ray.dies_at = None
    report = score_candidates(workspace, engine=Engine("ray"), together=True)
    assert made(report) == [("red", 40, 0, 0), ("blue", 40, 0, 0)]

    assert {number.split(":")[0] for number in ray.calls} >= {"1", "2"}
    assert os.environ[CPUS] == "1"
    assert table(alone).sort("candidate_id").equals(table(workspace).sort("candidate_id"))
    assert nothing_twice(workspace)
    assert list((tmp_path / "set").glob(".run-*")) == []


def test_an_actor_that_sees_another_workspace_does_nothing_and_says_so(
    ray: InThisProcess, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.write

    def unseen(self: Store, name: str, data: bytes) -> None:
        if not name.startswith(".run-"):
            write(self, name, data)

    monkeypatch.setattr(Store, "write", unseen)
    report = generate_candidates(workspace, engine=Engine("ray"))
    for outcome in report.outcomes:
        assert "is another folder on" in str(outcome.broken)
        assert outcome.left == outcome.wanted
    assert workspace.folders("candidates") == []
