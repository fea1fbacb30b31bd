"""A worker as an actor on a Ray cluster."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from typing import Any

from synpic.engine.workers.worker import Progress, Unable, Worker
from synpic.engine.writing import appears
from synpic.errors import WorkspaceError

__all__ = ["RayWorker"]


class RayWorker:
    """The actor's class: a worker's process, somewhere on the cluster."""

    def begin(
        self,
        baggage: bytes,
        device: str,
        look_for: tuple[str, float],
        paths: list[str],
        variables: dict[str, str],
    ) -> Progress:
        """Make the worker.

        Args:
            baggage: from :func:`synpic.engine.workers.worker.baggage`.
            device: as torch names it.
            look_for: a file that the driver wrote into the workspace, and the seconds it may take
                to be seen here.
            paths: from which the driver imports.
            variables: of the environment; others do not see them.

        Raises:
            Unable: the file is not there: this machine sees another workspace, or none.
        """
        # Ray shows both where the command runs, each on its own stream; and what is printed on
        # the first there is the command's own, perhaps JSON.
        sys.stdout.flush()
        os.dup2(2, 1)
        os.environ |= variables
        # A reward of one's own may lie beside the recipe; what is installed here comes first.
        sys.path += [path for path in paths if path not in sys.path]
        self._worker = Worker.begin(baggage, device)
        workspace = self._worker.tasks[0].output.workspace
        seen = False
        with suppress(WorkspaceError):
            seen = appears(workspace, *look_for)
        if not seen:
            error = WorkspaceError(
                f"{workspace.store} is another folder on {platform.node()}, or none",
                hint="all machines of the cluster must see the workspace at the same path",
            )
            raise Unable(error)
        return Progress()

    def call(self, method: str, *arguments: Any) -> Progress:
        """Call a method of the worker; see :meth:`synpic.engine.workers.worker.Worker.call`."""
        return self._worker.call(method, *arguments)
