"""A crew of actors on a Ray cluster: one for each GPU, or for a fraction of one.

An actor does what a process of the local engine does, and is spoken to through a relay: an actor
that takes no processor, so that a small cluster is not starved by it. Ray finds places for workers;
what they do, and what becomes of it when one dies, is the foreman's business as anywhere.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synpic.engine.crew import Gone
from synpic.engine.messages import Answer, Message, Unable
from synpic.engine.ray_worker import Relay, Who, Worker
from synpic.engine.task import Task
from synpic.engine.threads import CPUS
from synpic.engine.worker import baggage
from synpic.errors import MissingExtra, SynpicError

__all__ = ["Actors", "room"]

PATIENCE = 600.0
"""Seconds without any worker after which those that have no place yet are given up."""
SIGHT = 30.0
"""Seconds in which a shared file system shows a new file to another machine."""


class Actors:
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
        self._workspace = tasks[0].workspace
        self._sign = f".run-{uuid.uuid4().hex[:16]}"
        self._relay: Any = None
        self._actors: dict[int, Any] = {}
        self._ends: dict[Any, tuple[Who, Any]] = {}
        self._who: dict[int, Who] = {}
        self._started = 0
        self._up: set[int] = set()
        try:
            with self._in_words():
                self._begin(tasks, workers, gpus_per_worker, most)
        except BaseException:
            self.close()
            raise
        self._since = time.monotonic()

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
                f"--gpus-per-worker {self.gpus:g}: no node of the cluster has so many; "
                f"the most that one has is {most_gpus:g}",
                hint="add a node that has them; or --gpus-per-worker 0, to work on processors",
            )
        self.seats = max(1, min(workers or places, most))
        """How many workers."""
        shares = [int(node.get("CPU", 1)) // n for node in nodes if (n := _places(node, self.gpus))]
        self._cpus = {CPUS: str(max(1, min(shares, default=1)))}
        """What a worker may use of its node, which it shares with others."""
        self.late = 2 * SIGHT
        """See :class:`synpic.engine.crew.Crew`."""
        self._workspace.store.write(self._sign, b"a run on a cluster is at work here\n")
        self._baggage = self._ray.put(baggage(tasks))
        here = self._ray.get_runtime_context().get_node_id()
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        self._relay = (
            self._ray.remote(Relay)
            .options(
                num_cpus=0,
                max_concurrency=10_000,
                # Where we are: it should not go down with another machine.
                scheduling_strategy=affinity(here, soft=True),
            )
            .remote()
        )
        self._hearing = self._relay.hear.remote()

    def start(self, seat: int) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        self._started += 1
        who = self._who[seat] = (seat, self._started)
        hub = {name: value for name, value in os.environ.items() if name.startswith("HF_")}
        # What runtime_env holds, everybody on the cluster can see.
        secrets = {name: hub.pop(name) for name in ("HF_TOKEN",) if name in hub}
        paths = [str(Path(path).absolute()) for path in sys.path]
        device = "cuda" if self.gpus else "cpu"
        look_for = (self._sign, SIGHT)
        with self._in_words():
            actor = self._actors[seat] = (
                self._ray.remote(Worker)
                .options(
                    num_cpus=0 if self.gpus else 1,
                    num_gpus=self.gpus,
                    max_restarts=0,
                    # Libraries read them when they are imported.
                    **({"runtime_env": {"env_vars": hub}} if hub else {}),
                )
                .remote()
            )
            end = actor.run.remote(
                self._baggage, self._relay, who, device, look_for, paths, secrets | self._cpus
            )
        self._ends[end] = who, actor

    def send(self, seat: int, answer: Answer) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        if seat in self._who:
            with self._in_words():
                self._relay.answer.remote(self._who[seat], pickle.dumps(answer))

    def receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        """See :class:`synpic.engine.crew.Crew`."""
        with self._in_words():
            heard = self._receive(seconds)
        return heard + self._given_up()

    def _receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        ready, _ = self._ray.wait([self._hearing, *self._ends], num_returns=1, timeout=seconds)
        for end in ready:
            if end in self._ends:
                # By the same way as what it said before, and so after it.
                gone = pickle.dumps(Gone(self._how(end)))
                who, actor = self._ends.pop(end)
                self._ray.get(self._relay.say.remote(who, gone))
                # It holds its GPU until it is gone itself.
                self._ray.kill(actor)
        heard: list[tuple[int, Message | Gone]] = []
        if self._hearing in ready:
            for who, said in self._ray.get(self._hearing):
                seat = who[0]
                if self._who.get(seat) != who:
                    continue
                message = self._read(seat, said)
                self._up.add(seat)
                if isinstance(message, Gone):
                    self._up.discard(seat)
                    del self._who[seat]
                heard.append((seat, message))
            self._hearing = self._relay.hear.remote()
        return heard

    def _read(self, seat: int, said: bytes) -> Message | Gone:
        try:
            message: Message | Gone = pickle.loads(said)
        except Exception as error:  # anything may be raised where something foreign is unpickled
            self._ray.kill(self._actors[seat])
            words = f"{type(error).__name__}: {error}"
            return Gone(f"it said what cannot be read: {words}"[:300])
        return message

    def stopped(self, seat: int) -> bool:
        """See :class:`synpic.engine.crew.Crew`."""
        return False

    def end(self, seat: int) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        with self._in_words():
            self._ray.kill(self._actors[seat])

    def close(self) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        for actor in [*self._actors.values(), self._relay]:
            # The cluster may be gone already, which Ray reports in several ways.
            with suppress(Exception):
                self._ray.kill(actor)
        with suppress(SynpicError, OSError):
            store = self._workspace.store
            store.fs.rm_file(store.path(self._sign))
        self._leave()

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

    def _how(self, end: Any) -> str:
        try:
            self._ray.get(end)
        except Exception as error:
            # Ray raises what the actor raised, which may be of any class.
            return _first_words(error)
        return "exit code 0"

    def _given_up(self) -> list[tuple[int, Message | Gone]]:
        """Workers for which the cluster had no place for too long."""
        now = time.monotonic()
        if self._up:
            self._since = now
        if now - self._since < PATIENCE:
            return []
        error = SynpicError(f"the cluster had no place for a worker in {PATIENCE / 60:.0f} minutes")
        said: list[tuple[int, Message | Gone]] = []
        for seat in list(self._who):
            del self._who[seat]
            said += [(seat, Unable(error, everywhere=False)), (seat, Gone(error.message))]
        return said

    def _leave(self) -> None:
        if self._ours:
            self._ray.shutdown()


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
    there = int(node.get("GPU", 0.0))
    if gpus >= 1:
        return int(there / gpus)
    # A fraction is of one GPU: what is left of it and of its neighbour make no third place. Ray
    # counts ten-thousandths.
    return there * (10_000 // round(gpus * 10_000))


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
    if say is None or getattr(say, "to_stderr", False):
        return

    def to_stderr(data: dict[str, Any], *rest: Any, **options: Any) -> None:
        say({**data, "is_err": True}, *rest, **options)

    to_stderr.to_stderr = True  # type: ignore[attr-defined]
    worker.print_to_stdstream = to_stderr


def _first_words(error: BaseException) -> str:
    # What a worker raised, and not the traceback that Ray makes of it.
    error = getattr(error, "cause", None) or error
    words = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(words)}"[:300]
