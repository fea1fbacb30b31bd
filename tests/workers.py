"""How tests find the processes of a command's workers."""

from __future__ import annotations

import psutil

__all__ = ["workers_of"]


def workers_of(pid: int) -> list[psutil.Process]:
    """Those of the command ``pid``, by their process ids."""
    # Beside them, multiprocessing has a process of its own, which watches over semaphores.
    found = [p for p in psutil.Process(pid).children() if "spawn_main" in _command(p)]
    return sorted(found, key=lambda process: process.pid)


def _command(process: psutil.Process) -> str:
    """Nothing for one that has just ended."""
    try:
        return str(process.cmdline())
    except psutil.Error:
        return ""
