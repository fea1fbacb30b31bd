"""Modules of one's own beside a recipe, imported as they are now.

A module of one's own may lie beside the recipe. The folder of the workspace at hand is the last
entry of ``sys.path`` but the working directory, so that installed packages come first; a module of
another workspace's folder is not taken for one of the same name here, and one whose file was edited
is read again. What was found by another entry (an environment, a checkout, the program's own
folder) stays as it is.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ModulesBeside"]


class ModulesBeside:
    """The modules beside the recipe at hand.

    ``folder`` is the workspace's; ``added`` is it too, where ``sys.path`` has it from here.
    """

    def __init__(self) -> None:
        self.folder: str | None = None
        self.added: str | None = None
        self.stamps: dict[str, tuple[int, int] | None] = {}
        self._seen: set[str] = set()
        """Names of modules that were looked at."""
        self._files: dict[str, str] = {}
        """The files of those in ``folder``."""
        self._looking = threading.RLock()

    @contextmanager
    def looking_in(self, folder: str | os.PathLike[str] | None, name: str) -> Iterator[None]:
        """Let the module ``name`` be imported from ``folder``, as it is now, or from elsewhere.

        What it imports from there is read anew too, and nothing of another workspace is taken.
        ``sys.path`` and ``sys.modules`` belong to the process: one thread looks at a time.
        """
        if folder is None or self._is_elsewhere(name, folder) or not Path(folder).is_dir():
            yield
            return
        with self._looking, self._only(folder):
            yield

    @contextmanager
    def _only(self, folder: str | os.PathLike[str]) -> Iterator[None]:
        wanted = str(Path(folder).absolute())
        modules = self._modules()
        if wanted != self.folder:
            forget = not self._stays
        else:
            # One that was imported after the last look has no stamp, and was not edited for that.
            stamps = self.stamps
            forget = any(name in stamps and _stamp(file) != stamps[name] for name, file in modules)
        if forget:
            for name, _ in modules:
                del sys.modules[name]
        if forget or wanted != self.folder:
            self.stamps.clear()
            self._seen.clear()
            self._files.clear()
        self._enter(wanted)
        importlib.invalidate_caches()
        try:
            with _working_directory_last():
                yield
        finally:
            # Also after an import that fails: a module that it imported may be edited, too.
            for name, file in self._modules():
                self.stamps.setdefault(name, _stamp(file))

    def _is_elsewhere(self, name: str, folder: str | os.PathLike[str]) -> bool:
        """Whether the package of ``name`` was imported from neither ``folder`` nor the last one.

        A look at all modules would find nothing for it, and takes a millisecond for each reward.
        """
        top = name.partition(".")[0]
        file = getattr(sys.modules.get(top), "__file__", None)
        folders = (folder, self.folder or folder)
        return isinstance(file, str) and not _is_of(_places(*folders), top, file)

    @property
    def _stays(self) -> bool:
        """Whether the program itself has ``folder`` as an entry of ``sys.path``.

        It would find the same modules there again, and have two copies of each.
        """
        return self.folder != self.added and self.folder in _absolute(filter(None, sys.path))

    def _enter(self, wanted: str) -> None:
        if self.added not in (None, wanted):
            if self.added in sys.path:
                sys.path.remove(self.added)
            self.added = None
        # "" is an entry, for Python at a prompt: the working directory.
        if wanted not in _absolute(sys.path):
            sys.path.append(wanted)
            self.added = wanted
        self.folder = wanted

    def _modules(self) -> list[tuple[str, str]]:
        """Name and file of what was imported from ``folder``, as its entry of ``sys.path`` would.

        Not of what lies deeper and was found by another entry: an environment, a checkout.
        """
        if self.folder is None:
            return []
        places = _places(self.folder)
        # There are thousands, and code of one's own is looked for at each reward.
        new = set(sys.modules) - self._seen
        self._seen |= new
        for name in new:
            top = name.partition(".")[0]
            file = getattr(sys.modules.get(name), "__file__", None)
            if (
                isinstance(file, str)
                and top not in ("__main__", _OWN)
                and _is_of(places, top, file)
            ):
                self._files[name] = file
        return [(name, file) for name, file in self._files.items() if name in sys.modules]


_OWN = __name__.partition(".")[0]


def _absolute(entries: Iterable[str]) -> list[str]:
    return [str(Path(entry).absolute()) for entry in entries]


def _places(*folders: str | os.PathLike[str]) -> tuple[str, ...]:
    """How paths of files in these folders begin, with and without symbolic links."""
    return tuple(
        {at(one) + os.sep for one in folders for at in (os.path.abspath, os.path.realpath)}
    )


def _is_of(places: tuple[str, ...], top: str, file: str) -> bool:
    """Whether ``file`` is that of the top-level name ``top``, or inside it, in one of them."""
    if not file.startswith(places):
        return False
    firsts = (file.removeprefix(at).partition(os.sep)[0] for at in places)
    return top in (one.partition(".")[0] for one in firsts)


@contextmanager
def _working_directory_last() -> Iterator[None]:
    """Let what is beside the recipe come before a module of its name in the working directory."""
    if "" not in sys.path:
        yield
        return
    at = sys.path.index("")
    del sys.path[at]
    sys.path.append("")
    try:
        yield
    finally:
        # What is imported may change the path, too.
        if "" in sys.path:
            sys.path.remove("")
        sys.path.insert(at, "")


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
