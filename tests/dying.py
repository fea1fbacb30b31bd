"""Work that is killed at any line of it, in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType, ModuleType
from typing import Any

__all__ = ["dies_at"]


def dies_at(line: int, modules: Sequence[ModuleType], work: Callable[[], Any]) -> bool:
    """Do ``work`` in a fork of this process; kill it before the ``line``-th line of ``modules``.

    Returns:
        Whether it was killed; otherwise it came to its end before.
    """
    files = {module.__file__ for module in modules}
    left = line

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.settrace(count)
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed of itself"
    return os.WIFSIGNALED(status)
