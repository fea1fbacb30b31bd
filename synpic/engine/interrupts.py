"""Ctrl-C goes on to work after ``import polars``.

polars 2 puts a handler of its own below Python's, and asks the system to restart calls that SIGINT
interrupts: a program that waits for a network, or for a lock, then takes no notice of Ctrl-C until
there is an answer. :func:`keep_interrupts` puts Python's handler back as soon as polars is
imported. What handles the signal in Python stays as it was set.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["keep_interrupts"]

_NAME = "polars"


def keep_interrupts() -> None:
    """Have waits interrupted by SIGINT also after polars is imported, later on.

    Nothing is imported here, and nothing is done where polars is there already: who imported it
    may want its handler.
    """
    if _NAME not in sys.modules and not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds polars as the others do, and adds something to its import.

    It stays until polars is imported: libraries look for polars without importing it.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != _NAME:
            return None
        spec = self._found_by_others(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            with suppress(ValueError):  # another thread may have looked for it too
                sys.meta_path.remove(self)
            _put_back()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _found_by_others(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


def _put_back() -> None:
    handler = signal.getsignal(signal.SIGINT)
    # None: not installed from Python, and cannot be put back. Other threads may set none.
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
