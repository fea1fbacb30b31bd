"""A local folder that has to stay the one it was. Nothing is made in its place if it was moved."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from synpic.errors import StorageError

__all__ = ["Root"]


class Root:
    """The folder at ``path``, known by device and inode from when it is first seen.

    Sent to another process it stays the same folder. Another machine numbers its devices itself:
    there it is what is at ``path`` when it arrives.

    Args:
        path: absolute; the folder may have to be made yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen = _identity(path)

    def require(self) -> None:
        """See that the folder is still there.

        Raises:
            StorageError: it was there, and is not, or another folder is in its place.
        """
        now = _identity(self.path)
        if self._seen is None:
            self._seen = now
        elif now != self._seen:
            raise StorageError(
                f"{self.path} is not the folder that it was: it was moved, replaced or unmounted "
                "since this command began",
                hint="put it back, or work where it is now; then run the same command again: it "
                "goes on",
            )

    def make(self, folder: str) -> None:
        """Make ``folder`` and what is missing above it, up to this one; this one only at first.

        Raises:
            StorageError: as :meth:`require`.
            OSError: it cannot be made.
        """
        self.require()
        if self._seen is None:
            os.makedirs(self.path, exist_ok=True)
            self.require()
        missing = []
        while folder != self.path and not Path(folder).is_dir():
            missing.append(folder)
            folder = os.path.dirname(folder)
        for one in reversed(missing):
            with suppress(FileExistsError):
                Path(one).mkdir()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "machine": _machine()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        machine = state.pop("machine")
        vars(self).update(state)
        if self._seen is not None and machine != _machine():
            # (0, 0) is no folder: one that has not come along is not made.
            self._seen = _identity(self.path) or (0, 0)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _machine() -> tuple[str, int]:
    """What has one list of mounted file systems: a machine, and a container on it."""
    with suppress(OSError):
        return platform.node(), Path("/proc/self/ns/mnt").stat().st_ino
    return platform.node(), 0
