"""What the process of a local worker runs.

Nothing heavy is imported here at first: libraries read the environment when they are imported, and
:func:`set_up` has to come before.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synpic.engine.workers.worker import Progress, Worker

__all__ = ["begin", "call", "set_up"]

_worker: Worker | None = None


def set_up(environment: Mapping[str, str]) -> None:
    """Initialize the process of a worker.

    Args:
        environment: variables to set.
    """
    os.environ.update(environment)
    # Ctrl-C, a closed terminal and SIGTERM, which may go to every process, are for the command.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    # The command's stdout is for what the command prints, and its stdin for what it asks.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    _keep_from_children()
    threading.Thread(target=_end_with_the_command, name="watch the command", daemon=True).start()


def begin(baggage: bytes, device: str) -> Progress:
    """Make the worker.

    Args:
        baggage: of :func:`synpic.engine.workers.worker.baggage`.
        device: as torch names it.
    """
    global _worker
    from synpic.engine.workers.worker import Progress, Worker

    if device.startswith("cuda:"):
        import torch

        # Else a context, and memory, would be taken on the first device too.
        torch.cuda.set_device(device)
    _worker = Worker.begin(baggage, device)
    return Progress()


def call(method: str, *arguments: Any) -> Progress:
    """Call a method of the worker; see :meth:`synpic.engine.workers.worker.Worker.call`."""
    assert _worker is not None
    return _worker.call(method, *arguments)


def _end_with_the_command() -> None:
    """End this process after the command's: an executor's worker would wait for its next call."""
    command = multiprocessing.parent_process()
    assert command is not None
    command.join()
    try:
        if _worker is not None and _worker.at_work:
            from synpic.engine.workers.deadlines import shortest_deadline

            _worker.leave(shortest_deadline())
    finally:
        # What could not be written, for whatever reason, is made again by the next run.
        os._exit(1)


def _keep_from_children() -> None:
    """Let no child of this process have its pipes.

    One that outlives it would keep them open, and its death would not be noticed.
    """
    pipes = []
    for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if descriptor > 2 and descriptor != resource_tracker.getfd():
            with suppress(OSError):  # the listing's own, which is closed
                os.set_inheritable(descriptor, False)
                pipes.append(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)

    def replace() -> None:
        for pipe in pipes:
            os.dup2(nothing, pipe, inheritable=False)

    os.register_at_fork(after_in_child=replace)
