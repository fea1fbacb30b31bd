"""A crew of actors on a Ray cluster: one for each GPU, or for a fraction of one.

An actor does what a process of the local engine does, and is spoken to through a relay: an actor
that takes no processor, so that a small cluster is not starved by it. Ray finds places for workers;
what they do, and what becomes of it when one dies, is the foreman's business as anywhere.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import platform
import queue
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from synpic.engine.crew import Gone
from synpic.engine.messages import Answer, Failed, Go, Message, Stop
from synpic.engine.task import Task
from synpic.engine.worker import work
from synpic.errors import MissingExtra, SynpicError, WorkspaceError
from synpic.workspace import Workspace

__all__ = ["Actors"]

PATIENCE = 600.0
"""Seconds without any worker after which those that have no place yet are given up."""
SIGHT = 30.0
"""Seconds in which a shared file system shows a new file to another machine."""

Who = tuple[int, int]
"""A seat, and the how-manieth to take it: what a dead one said late is not its successor's word."""


class Actors:
    """Workers as actors of the cluster that RAY_ADDRESS names, or that runs here, or a new one.

    Args:
        workers: how many; as many as there is room for if None.
        gpus_per_worker: 1 where the cluster has any if None.
        most: no more workers than this.

    Raises:
        MissingExtra: Ray is not installed.
        SynpicError: there is no such cluster, or it has no such GPUs.
    """

    def __init__(
        self, tasks: Sequence[Task], workers: int | None, gpus_per_worker: float | None, most: int
    ) -> None:
        self._ray = _ray()
        self._ours = _connect(self._ray)
        resources = self._ray.cluster_resources()
        there = resources.get("GPU", 0.0)
        self.gpus = gpus_per_worker if gpus_per_worker is not None else float(there > 0)
        """Of each worker."""
        if self.gpus > there:
            self._leave()
            raise SynpicError(
                f"--gpus-per-worker {self.gpus:g}: the cluster has {there:g} GPUs",
                hint="add a node that has one; or --gpus-per-worker 0, to work on processors",
            )
        room = int(there / self.gpus) if self.gpus else int(resources.get("CPU", 1.0))
        self.seats = max(1, min(workers or room, most))
        """How many workers."""
        self._workspace = tasks[0].workspace
        self._sign = f".run-{uuid.uuid4().hex[:16]}"
        self._workspace.store.write(self._sign, b"a run on a cluster is at work here\n")
        # Together, so that what tasks share, they share in the worker too.
        self._tasks = self._ray.put(pickle.dumps([task.empty() for task in tasks]))
        here = self._ray.get_runtime_context().get_node_id()
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        self._relay = (
            self._ray.remote(_Relay)
            .options(
                num_cpus=0,
                max_concurrency=10_000,
                # Where we are: it should not go down with another machine.
                scheduling_strategy=affinity(here, soft=True),
            )
            .remote()
        )
        self._hearing = self._relay.hear.remote()
        self._actors: dict[int, Any] = {}
        self._ends: dict[Any, Who] = {}
        self._who: dict[int, Who] = {}
        self._started = 0
        self._up: set[int] = set()
        self._since = time.monotonic()

    def start(self, seat: int) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        self._started += 1
        who = self._who[seat] = (seat, self._started)
        actor = self._actors[seat] = (
            self._ray.remote(_Worker)
            .options(num_cpus=0 if self.gpus else 1, num_gpus=self.gpus, max_restarts=0)
            .remote()
        )
        paths = [str(Path(path).absolute()) for path in sys.path]
        device = "cuda" if self.gpus else "cpu"
        look_for = (self._sign, SIGHT)
        end = actor.run.remote(self._tasks, self._relay, who, device, look_for, paths)
        self._ends[end] = who

    def send(self, seat: int, answer: Answer) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        if seat in self._who:
            self._relay.answer.remote(self._who[seat], pickle.dumps(answer))

    def receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        """See :class:`synpic.engine.crew.Crew`."""
        ready, _ = self._ray.wait([self._hearing, *self._ends], num_returns=1, timeout=seconds)
        for end in ready:
            if end in self._ends:
                # By the same way as what it said before, and so after it.
                gone = pickle.dumps(Gone(self._how(end)))
                who = self._ends.pop(end)
                self._ray.get(self._relay.say.remote(who, gone))
                # It holds its GPU until it is gone itself.
                self._ray.kill(self._actors[who[0]])
        heard: list[tuple[int, Message | Gone]] = []
        if self._hearing in ready:
            for who, said in self._ray.get(self._hearing):
                seat = who[0]
                if self._who.get(seat) != who:
                    continue
                message = pickle.loads(said)
                self._up.add(seat)
                if isinstance(message, Gone):
                    self._up.discard(seat)
                    del self._who[seat]
                heard.append((seat, message))
            self._hearing = self._relay.hear.remote()
        return heard + self._given_up()

    def close(self) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        with suppress(Exception):
            for actor in [*self._actors.values(), self._relay]:
                self._ray.kill(actor)
        with suppress(SynpicError, OSError):
            store = self._workspace.store
            store.fs.rm_file(store.path(self._sign))
        self._leave()

    def _how(self, end: Any) -> str:
        try:
            self._ray.get(end)
        except Exception as error:
            words = [line.strip() for line in str(error).splitlines() if line.strip()]
            return f"{type(error).__name__}: {' '.join(words)}"[:300]
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
            said += [(seat, Failed(error, everywhere=False)), (seat, Gone(error.message))]
        return said

    def _leave(self) -> None:
        if self._ours:
            self._ray.shutdown()


def _ray() -> Any:
    # What a cluster that we start would tell its makers is for its owner to switch on.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
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
    try:
        ray.init(logging_level="WARNING", log_to_driver=True)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = os.environ.get("RAY_ADDRESS")
        raise SynpicError(
            f"no Ray cluster {'at ' + where if where else 'could be started here'}: {error}",
            hint="`ray status` tells whether one runs; RAY_ADDRESS says where",
        ) from error
    return True


class _Relay:
    """Post for and from workers, in the order in which it was given."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[tuple[Who, bytes]] = asyncio.Queue()
        self._answers: defaultdict[Who, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)

    async def say(self, who: Who, message: bytes) -> None:
        await self._said.put((who, message))

    async def hear(self) -> list[tuple[Who, bytes]]:
        heard = [await self._said.get()]
        while not self._said.empty():
            heard.append(self._said.get_nowait())
        return heard

    async def answer(self, who: Who, answer: bytes) -> None:
        await self._answers[who].put(answer)

    async def listen(self, who: Who) -> bytes:
        return await self._answers[who].get()


class _Worker:
    """A worker's process, somewhere on the cluster."""

    def run(
        self,
        tasks: bytes,
        relay: Any,
        who: Who,
        device: str,
        look_for: tuple[str, float],
        paths: list[str],
    ) -> None:
        # A reward of one's own may lie beside the recipe; what is installed here comes first.
        sys.path += [path for path in paths if path not in sys.path]
        import ray

        link = _Post(ray, relay, who)
        work_of: list[Task] = pickle.loads(tasks)
        workspace = work_of[0].workspace
        if not _sees(workspace, *look_for):
            error = WorkspaceError(
                f"{workspace.store} is another folder on {platform.node()}, or none",
                hint="all machines of the cluster must see the workspace at the same path",
            )
            link.send(Failed(error, everywhere=False))
            return
        link.listen()
        work(link, work_of, device)


def _sees(workspace: Workspace, sign: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        with suppress(WorkspaceError):
            if workspace.store.exists(sign):
                return True
        if time.monotonic() > until:
            return False
        time.sleep(1)


class _Post:
    """A :class:`synpic.engine.worker.Link` over the relay."""

    def __init__(self, ray: Any, relay: Any, who: Who) -> None:
        self.stop = threading.Event()
        self._ray, self._relay, self._who = ray, relay, who
        self._answers: queue.Queue[Answer] = queue.Queue()

    def listen(self) -> None:
        """From now on, hear what the foreman says."""
        threading.Thread(target=self._listen, name="from the foreman", daemon=True).start()

    def send(self, message: Message) -> None:
        try:
            self._ray.get(self._relay.say.remote(self._who, pickle.dumps(message)))
        except self._ray.exceptions.RayError:
            self.stop.set()

    def receive(self) -> Answer:
        return self._answers.get()

    def _listen(self) -> None:
        try:
            while True:
                answer = pickle.loads(self._ray.get(self._relay.listen.remote(self._who)))
                if isinstance(answer, Stop):
                    self.stop.set()
                else:
                    self._answers.put(answer)
        except self._ray.exceptions.RayError:
            self.stop.set()
            self._answers.put(Go())
