"""How actors are asked for, and what becomes of a cluster that fails: with a stand-in for Ray."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synpic import Workspace, generate_candidates
from synpic.engine.progress import Event
from synpic.engine.workers import ray_pool
from synpic.engine.workers.engines import Engine
from synpic.engine.workers.ray_pool import RayPool, room
from synpic.engine.workers.worker import Progress, Unable, WorkerDied
from synpic.errors import SynpicError
from synpic.pipeline.tasks import drawing_tasks
from tests.conftest import MakeRecipe


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Method:
    def __init__(self, does: Callable[..., Any]) -> None:
        self.remote = does


class StandIn:
    """As much of Ray as a pool asks for. Nothing runs; calls end as ``ends`` says, by name."""

    def __init__(self, nodes: list[dict[str, float]]) -> None:
        self._nodes = nodes
        self.options: list[tuple[str, dict[str, Any]]] = []
        self.begun: list[tuple[Any, ...]] = []
        self.killed: list[Any] = []
        self.left = 0
        self.ends: dict[str, Progress | Exception] = {}
        self.fails: str | None = None
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def is_initialized(self) -> bool:
        return False

    def init(self, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def shutdown(self) -> None:
        self.left += 1

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": node} for node in self._nodes]

    def put(self, thing: Any) -> Any:
        if self.fails == "put":
            raise RayError("the object store is full")
        return thing

    def get(self, call: str) -> Any:
        end = self.ends[call]
        if isinstance(end, Exception):
            raise end
        return end

    def wait(self, calls: list[str], **options: Any) -> tuple[list[Any], list[Any]]:
        if self.fails == "wait":
            raise RayError("The node died.")
        return [call for call in calls if call in self.ends], []

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.name)
        if self.fails == "kill":
            raise RayError("it is dead already")

    def remote(self, kind: type) -> Any:
        return SimpleNamespace(options=lambda **options: Method(lambda: self._made(kind, options)))

    def _made(self, kind: type, options: dict[str, Any]) -> Any:
        self.options.append((kind.__name__, options))
        number = len(self.options)

        def begin(*arguments: Any) -> str:
            self.begun.append(arguments)
            return f"begin {number}"

        return SimpleNamespace(
            name=number,
            begin=Method(begin),
            call=Method(lambda method, *arguments: f"{method} {number}"),
        )

    def of_workers(self) -> list[dict[str, Any]]:
        return [options for kind, options in self.options if kind == "RayWorker"]


Begin = Callable[..., tuple[StandIn, RayPool]]


@pytest.fixture
def begin(
    tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[StandIn, RayPool]]:
    def begin(
        nodes: list[dict[str, float]],
        workers: int | None = None,
        gpus: float | None = None,
        most: int = 100,
        fails: str | None = None,
    ) -> tuple[StandIn, RayPool]:
        workspace = Workspace.create(tmp_path / "set", recipe(prompts=8))
        tasks, _ = drawing_tasks(workspace)
        ray = StandIn(nodes)
        ray.fails = fails
        monkeypatch.setattr(ray_pool, "_ray", lambda: ray)
        return ray, RayPool(tasks, workers, gpus, most)

    return begin


@pytest.mark.parametrize(
    ("nodes", "gpus", "places"),
    [
        ([4], 1.0, 4),
        ([4], 0.5, 8),
        ([1, 1, 1, 1], 0.6, 4),
        ([4], 0.6, 4),
        ([4], 1 / 3, 12),
        ([2], 0.1, 20),
        ([8], 3.0, 2),
        ([4, 4], 8.0, 0),
        ([8, 2, 1], 2.0, 5),
        ([0, 0], 1.0, 0),
        ([], 0.5, 0),
    ],
)
def test_room_is_counted_where_a_worker_fits(nodes: list[float], gpus: float, places: int) -> None:
    assert room([{"CPU": 1.0, "GPU": float(n)} for n in nodes], gpus) == places


def test_without_gpus_processors_are_counted() -> None:
    assert room([{"CPU": 4.0, "GPU": 2.0}, {"CPU": 3.0}], 0) == 7


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "slots", "asked"),
    [
        ([{"GPU": 2.0}], None, None, 2, {"num_cpus": 0, "num_gpus": 1.0}),
        ([{"GPU": 2.0}], None, 0.5, 4, {"num_cpus": 0, "num_gpus": 0.5}),
        ([{"GPU": 2.0}], 3, 1.0, 3, {"num_cpus": 0, "num_gpus": 1.0}),
        ([{"GPU": 2.0, "CPU": 5.0}], None, 0.0, 5, {"num_cpus": 1, "num_gpus": 0.0}),
        ([{"CPU": 3.0}], None, None, 3, {"num_cpus": 1, "num_gpus": 0.0}),
    ],
)
def test_a_worker_asks_for_what_it_is_to_have(
    begin: Begin,
    nodes: list[dict[str, float]],
    workers: int | None,
    gpus: float | None,
    slots: int,
    asked: dict[str, float],
) -> None:
    ray, pool = begin(nodes, workers, gpus)
    assert pool.slots == slots
    for slot in range(slots):
        pool.start(slot)
    assert len(ray.of_workers()) == slots
    for options in ray.of_workers():
        assert {key: options[key] for key in asked} == asked
        assert options["max_restarts"] == 0
    assert {begun[1] for begun in ray.begun} == {"cuda" if asked["num_gpus"] else "cpu"}


def test_settings_of_the_hub_go_along_and_the_token_is_not_shown(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HF_HOME", "/shared/hf"), ("HF_TOKEN", "hf_x"), ("OTHER", "1")):
        monkeypatch.setenv(name, value)
    ray, pool = begin([{"CPU": 1.0}])
    pool.start(0)
    shown = ray.of_workers()[0]["runtime_env"]["env_vars"]
    assert shown["HF_HOME"] == "/shared/hf"
    assert not {"HF_TOKEN", "OTHER"} & shown.keys()
    assert ray.begun[0][-1] == {"HF_TOKEN": "hf_x", "SYNPIC_CPUS": "1"}


@pytest.mark.parametrize(
    ("nodes", "gpus", "share"),
    [
        ([{"GPU": 4.0, "CPU": 64.0}], 1.0, "16"),
        ([{"GPU": 4.0, "CPU": 64.0}, {"GPU": 1.0, "CPU": 8.0}], 1.0, "8"),
        ([{"GPU": 1.0, "CPU": 6.0}], 0.5, "3"),
        ([{"GPU": 4.0, "CPU": 2.0}], 1.0, "1"),
        ([{"CPU": 8.0}], 0.0, "1"),
    ],
)
def test_workers_of_a_node_share_its_processors(
    begin: Begin, nodes: list[dict[str, float]], gpus: float, share: str
) -> None:
    ray, pool = begin(nodes, None, gpus)
    pool.start(0)
    assert ray.begun[0][-1]["SYNPIC_CPUS"] == share


def test_sigterm_stays_with_whoever_had_it(begin: Begin) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def mine(number: int, frame: object) -> None:
        pass

    signal.signal(signal.SIGTERM, mine)
    try:
        begin([{"CPU": 1.0}])
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_start_that_fails_leaves_nothing_behind(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins = []
    own = StandIn.__init__

    def init(self: StandIn, nodes: Any) -> None:
        own(self, nodes)
        stand_ins.append(self)

    monkeypatch.setattr(StandIn, "__init__", init)
    with pytest.raises(SynpicError, match="the Ray cluster is lost to this command: RayError: the"):
        begin([{"CPU": 1.0}], fails="put")
    assert stand_ins[0].left == 1
    assert list((tmp_path / "set").glob(".run-*")) == []


def test_a_lost_cluster_is_one_clear_error(begin: Begin) -> None:
    ray, pool = begin([{"CPU": 1.0}])
    pool.start(0)
    ray.fails = "wait"
    with pytest.raises(SynpicError, match="lost to this command: RayError: The node died") as lost:
        pool.wait(0.1)
    assert "the same command goes on from there" in str(lost.value.hint)


def test_one_that_is_dead_already_keeps_no_other_from_being_ended(begin: Begin) -> None:
    ray, pool = begin([{"CPU": 2.0}])
    pool.start(0)
    pool.start(1)
    ray.fails = "kill"
    pool.close()
    assert ray.killed == [1, 2]
    assert ray.left == 1


def test_what_workers_print_last_has_time_to_arrive(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray, pool = begin([{"CPU": 1.0}])
    pool.start(0)
    waits: list[tuple[float, int]] = []
    monkeypatch.setattr("time.sleep", lambda seconds: waits.append((seconds, ray.left)))
    pool.close()
    assert waits == [(ray_pool.LAST_WORDS, 0)], "Ray drops what has not arrived when it is left"
    assert ray.left == 1


def test_calls_end_with_what_they_returned_or_raised(begin: Begin) -> None:
    ray, pool = begin([{"CPU": 3.0}])
    for slot in range(3):
        pool.start(slot)
    ray.ends = {f"begin {number}": Progress() for number in (1, 2, 3)}
    assert pool.wait(0.1) == [(slot, Progress()) for slot in range(3)]
    for slot in range(3):
        pool.submit(slot, "work", {})
    unable = Unable(SynpicError("no disk"))
    ray.ends = {
        "work 1": RayTaskError(unable),
        "work 2": RayError("The actor died.\nIts node is gone."),
        "work 3": ValueError("cannot be unpickled"),
    }
    (_, raised), (_, died), (_, unread) = pool.wait(0.1)
    assert raised is unable
    assert isinstance(died, WorkerDied)
    assert str(died) == "RayError: The actor died. Its node is gone."
    assert isinstance(unread, WorkerDied)
    assert ray.killed == [2, 3], "it may be alive, and would keep its GPU"


def test_a_cluster_without_a_place_is_given_up_in_time(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pool = begin([{"CPU": 1.0}])
    pool.start(0)
    assert pool.wait(0.1) == []
    monkeypatch.setattr(ray_pool, "PATIENCE", 0.0)
    ((slot, unable),) = pool.wait(0.1)
    assert slot == 0
    assert isinstance(unable, Unable)
    assert "no place for a worker" in unable.error.message


def test_a_device_is_not_chosen_by_name(workspace: Workspace) -> None:
    with pytest.raises(SynpicError, match="--device cpu: on a Ray cluster") as refused:
        generate_candidates(workspace, engine=Engine("ray"), device="cpu")
    assert "--gpus-per-worker 0" in str(refused.value.hint)


@pytest.mark.parametrize(("gpus", "told"), [(None, True), (0.0, False)])
def test_processors_in_place_of_gpus_are_told_of(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, gpus: float | None, told: bool
) -> None:
    ray = StandIn([{"CPU": 1.0}])
    monkeypatch.setattr(ray_pool, "_ray", lambda: ray)
    ray.fails = "wait"
    events: list[Event] = []
    with pytest.raises(SynpicError):
        generate_candidates(workspace, engine=Engine("ray", None, gpus), listener=events.append)
    news = [event.news for event in events if event.news]
    assert any("no node of the cluster has a GPU" in one for one in news) is told


def test_given_images_are_read_by_a_few_and_on_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"caption {number}")
    workspace = Workspace.create(tmp_path / "set", '[ingest]\nimages = "../images"\n')
    asked: list[Engine] = []

    def run_on(engine: Engine, *arguments: Any) -> Any:
        asked.append(engine)
        raise SynpicError("far enough")

    monkeypatch.setattr("synpic.pipeline.steps.run_on", run_on)
    for workers in (None, 4, 500):
        with pytest.raises(SynpicError, match="far enough"):
            generate_candidates(workspace, engine=Engine("ray", workers))
    assert [engine.workers for engine in asked] == [16, 4, 16]
    assert {engine.gpus_per_worker for engine in asked} == {0}


def test_what_ray_says_of_its_nodes_is_not_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    from ray._private import worker

    from synpic.engine.workers import ray_pool

    for _ in range(2):  # a second run in one process changes nothing
        ray_pool._keep_stdout_clean()
    said = {"lines": ["a node is lost"], "pid": "raylet", "is_err": False}
    worker.print_to_stdstream(said, ignore_prefix=False)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("a node is lost") == 1
