"""What runs on a Ray cluster: a worker, and the relay between workers and their foreman."""

from __future__ import annotations

import asyncio
import os
import pickle
import platform
import sys
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

from synpic.engine.mailbox import Mailbox
from synpic.engine.messages import Unable
from synpic.engine.worker import work_with
from synpic.errors import WorkspaceError
from synpic.workspace import Workspace

__all__ = ["Relay", "Who", "Worker"]

Who = tuple[int, int]
"""A seat, and the how-manieth to take it: what a dead one said late is not its successor's word."""


class Relay:
    """Post for and from workers, in the order in which it was given."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[tuple[Who, bytes]] = asyncio.Queue()
        self._answers: defaultdict[Who, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)

    async def say(self, who: Who, message: bytes) -> None:
        """Take what this worker says to the foreman."""
        await self._said.put((who, message))

    async def hear(self) -> list[tuple[Who, bytes]]:
        """Wait for what workers say: all that there is, once there is any."""
        heard = [await self._said.get()]
        while not self._said.empty():
            heard.append(self._said.get_nowait())
        return heard

    async def answer(self, who: Who, answer: bytes) -> None:
        """Take what the foreman says to this worker."""
        await self._answers[who].put(answer)

    async def listen(self, who: Who) -> bytes:
        """Wait for what the foreman says to this worker."""
        return await self._answers[who].get()


class Worker:
    """A worker's process, somewhere on the cluster."""

    def run(
        self,
        baggage: bytes,
        relay: Any,
        who: Who,
        device: str,
        look_for: tuple[str, float],
        paths: list[str],
        variables: dict[str, str],
    ) -> None:
        """Work until the foreman has nothing more, or is gone.

        Args:
            baggage: from :func:`synpic.engine.worker.baggage`.
            relay: the actor of :class:`Relay`.
            who: this worker is.
            look_for: a file that the foreman wrote into the workspace, and the seconds it may take
                to be seen here.
            paths: from which the foreman imports.
            variables: of the environment; others do not see them.

        Raises:
            DeviceLost: this process is of no use any more.
        """
        # Ray shows both to whoever runs the command, each on its own stream; and what is printed on
        # the first there is the command's own word, perhaps JSON.
        sys.stdout.flush()
        os.dup2(2, 1)
        os.environ |= variables
        # A reward of one's own may lie beside the recipe; what is installed here comes first.
        sys.path += [path for path in paths if path not in sys.path]
        import ray

        link = Mailbox(
            lambda message: ray.get(relay.say.remote(who, pickle.dumps(message))),
            lambda: pickle.loads(ray.get(relay.listen.remote(who))),
            gone=(ray.exceptions.RayError,),
        )
        tasks, patience = pickle.loads(baggage)
        workspace = tasks[0].workspace
        if not _sees(workspace, *look_for):
            error = WorkspaceError(
                f"{workspace.store} is another folder on {platform.node()}, or none",
                hint="all machines of the cluster must see the workspace at the same path",
            )
            link.send(Unable(error, everywhere=False))
            return
        link.listen()
        work_with(link, tasks, patience, device)


def _sees(workspace: Workspace, sign: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        with suppress(WorkspaceError):
            if workspace.store.exists(sign):
                return True
        if time.monotonic() > until:
            return False
        time.sleep(1)
