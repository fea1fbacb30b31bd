"""A worker pool of actors on a Ray cluster: one for each GPU, or for a fraction of one.

Ray finds places for workers; what they do, and what becomes of it when one dies, is the scheduler's
business as anywhere.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synpic.engine.task import Task
from synpic.engine.threads import CPUS
from synpic.engine.workers.ray_worker import RayWorker
from synpic.engine.workers.worker import Progress, Unable, WorkerDied, baggage
from synpic.engine.writing import SIGHT
from synpic.errors import MissingExtra, SynpicError

__all__ = ["RayPool", "room"]

PATIENCE = 600.0
"""Seconds without any worker after which those that have no place yet are given up."""
LAST_WORDS = 1.0
"""Seconds in which what a worker has printed arrives here. Ray looks for new logs twice a second,
and drops what is still on its way when a command leaves the cluster."""


class RayPool:
    """Workers as actors of the cluster that RAY_ADDRESS names, or that runs here, or a new one.

    Args:
        workers: how many; as many as there is room for if None.
        gpus_per_worker: 1 where the cluster has any if None.
        most: no more workers than this.

    Raises:
        MissingExtra: Ray is not installed.
        SynpicError: there is no such cluster, or it has no such GPUs; and so do the methods, when
            the cluster is lost.
    """

    def __init__(
        self, tasks: Sequence[Task], workers: int | None, gpus_per_worker: float | None, most: int
    ) -> None:
        self._ray = _ray()
        self._ours = _connect(self._ray)
        self._store = tasks[0].output.workspace.store
        self._sign = f".run-{uuid.uuid4().hex[:16]}"
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, int] = {}
        self._up: set[int] = set()
        self._since = time.monotonic()
        try:
            with self._in_words():
                self._begin(tasks, workers, gpus_per_worker, most)
        except BaseException:
            self.close()
            raise

    def _begin(
        self, tasks: Sequence[Task], workers: int | None, gpus_per_worker: float | None, most: int
    ) -> None:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        most_gpus = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
        self.gpus = gpus_per_worker if gpus_per_worker is not None else float(most_gpus > 0)
        """Of each worker."""
        places = room(nodes, self.gpus)
        if self.gpus and not places:
            raise SynpicError(
                f"--gpus-per-worker {self.gpus:g}: no node of the cluster has that number; "
                f"the most that one has is {most_gpus:g}",
                hint="add a node that has them; or --gpus-per-worker 0, to work on processors",
            )
        self.slots = max(1, min(workers or places, most))
        """How many workers."""
        self.late = 2 * SIGHT
        """See :class:`synpic.engine.workers.scheduler.WorkerPool`."""
        shares = [int(node.get("CPU", 1)) // n for node in nodes if (n := _places(node, self.gpus))]
        self._cpus = {CPUS: str(max(1, min(shares, default=1)))}
        """What a worker may use of its node, which it shares with others."""
        self._store.write(self._sign, b"a run on a cluster is at work here\n")
        self._baggage = self._ray.put(baggage(tasks))

    def start(self, slot: int) -> None:
        """Ask for an actor."""
        hub = {name: value for name, value in os.environ.items() if name.startswith("HF_")}
        # What runtime_env holds, everybody on the cluster can see.
        secrets = {name: hub.pop(name) for name in ("HF_TOKEN",) if name in hub}
        paths = [str(Path(path).absolute()) for path in sys.path]
        options: dict[str, Any] = {
            "num_cpus": 0 if self.gpus else 1,
            "num_gpus": self.gpus,
            "max_restarts": 0,
        }
        if hub:  # libraries read them when they are imported
            options["runtime_env"] = {"env_vars": hub}
        device = "cuda" if self.gpus else "cpu"
        with self._in_words():
            actor = self._actors[slot] = self._ray.remote(RayWorker).options(**options).remote()
            variables, look_for = secrets | self._cpus, (self._sign, SIGHT)
            call = actor.begin.remote(self._baggage, device, look_for, paths, variables)
        self._calls[call] = slot

    def submit(self, slot: int, method: str, *arguments: Any) -> None:
        """Call the worker in its actor."""
        with self._in_words():
            self._calls[self._actors[slot].call.remote(method, *arguments)] = slot

    def wait(self, seconds: float) -> list[tuple[int, Progress | BaseException]]:
        """Wait for a call to end, or an actor."""
        if not self._calls:
            time.sleep(seconds)
            return []
        calls = list(self._calls)
        with self._in_words():
            ended, _ = self._ray.wait(calls, num_returns=1, timeout=seconds)
            if ended:
                ended, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return [self._result(call) for call in ended] + self._without_place()

    def _result(self, call: Any) -> tuple[int, Progress | BaseException]:
        slot = self._calls.pop(call)
        self._up.add(slot)
        try:
            return slot, self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            return slot, error.cause
        except Exception as error:
            # Ray has many classes for an actor that is gone, and raises whatever unpickling does.
            self.kill(slot)  # it may be alive, and holds its GPU until it is gone
            return slot, WorkerDied(_first_words(error))

    def stopped(self, slot: int) -> bool:
        """What runs on another machine is not known here."""
        return False

    def kill(self, slot: int) -> None:
        """End the actor."""
        self._up.discard(slot)
        with self._in_words():
            self._ray.kill(self._actors[slot])

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        for actor in self._actors.values():
            # The cluster may be gone already, which Ray reports in several ways.
            with suppress(Exception):
                self._ray.kill(actor)
        with suppress(SynpicError, OSError):
            self._store.fs.rm_file(self._store.path(self._sign))
        if self._ours:
            if self._actors:
                time.sleep(LAST_WORDS)
            self._ray.shutdown()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What Ray says when the cluster, or our part of it, is lost."""
        try:
            yield
        except self._ray.exceptions.RayError as error:
            raise SynpicError(
                f"the Ray cluster is lost to this command: {_first_words(error)}",
                hint="everything made before is kept, and the same command goes on from there; "
                "`ray status` tells how the cluster is",
            ) from error

    def _without_place(self) -> list[tuple[int, Progress | BaseException]]:
        """Workers for which the cluster had no place for too long."""
        now = time.monotonic()
        if self._up:
            self._since = now
        if now - self._since < PATIENCE:
            return []
        error = SynpicError(f"the cluster had no place for a worker in {PATIENCE / 60:.0f} minutes")
        slots, self._calls = list(self._calls.values()), {}
        return [(slot, Unable(error)) for slot in slots]


def room(nodes: Iterable[Mapping[str, float]], gpus: float) -> int:
    """How many workers find a place at once.

    Args:
        nodes: what each node of the cluster has: "GPU" and "CPU", as Ray counts them.
        gpus: of each worker; 0 for one that takes a processor.
    """
    return sum(_places(node, gpus) for node in nodes)


def _places(node: Mapping[str, float], gpus: float) -> int:
    if not gpus:
        return int(node.get("CPU", 0.0))
    gpus_there = int(node.get("GPU", 0.0))
    if gpus >= 1:
        return int(gpus_there / gpus)
    # A fraction is of one GPU: what is left of it and of its neighbour make no third place. Ray
    # counts ten-thousandths.
    return gpus_there * (10_000 // round(gpus * 10_000))


def _ray() -> Any:
    # What a cluster that we start would tell its makers is for its owner to switch on.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The autoscaler's chat would come among what the command prints.
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingExtra(
            "--engine ray needs Ray, which is not installed", hint="pip install 'synpic[ray]'"
        ) from error
    return ray


def _connect(ray: Any) -> bool:
    """Be part of a cluster; whether that was not so before."""
    if ray.is_initialized():
        return False
    # ray.init takes SIGTERM over, to exit on the spot; whoever calls may have other plans.
    ending = signal.getsignal(signal.SIGTERM)
    _keep_stdout_clean()
    try:
        ray.init(logging_level="WARNING", log_to_driver=True)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        where = os.environ.get("RAY_ADDRESS")
        raise SynpicError(
            f"no Ray cluster {'at ' + where if where else 'could be started here'}: {error}",
            hint="`ray status` tells whether one runs; RAY_ADDRESS says where",
        ) from error
    finally:
        if ending is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ending)
    return True


def _keep_stdout_clean() -> None:
    """Have Ray print to stderr alone: it reports a lost node on stdout, and takes no option."""
    from ray._private import worker

    say = getattr(worker, "print_to_stdstream", None)
    if say is not None and getattr(say, "__module__", "") != __name__:

        def to_stderr(data: dict[str, Any], *rest: Any, **options: Any) -> None:
            say({**data, "is_err": True}, *rest, **options)

        worker.print_to_stdstream = to_stderr


def _first_words(error: BaseException) -> str:
    # What a worker raised, and not the traceback that Ray makes of it.
    error = getattr(error, "cause", None) or error
    words = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(words)}"[:300]
