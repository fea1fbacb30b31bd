"""One process at a time: a lock around what is read, changed and written again.

The lock file lies in the folder for temporary files, so that a workspace holds nothing but
what it has made. It holds among processes of one machine; those of several have no such lock.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from synpic.errors import WorkspaceError
from synpic.workspace.storage import Store

__all__ = ["alone"]

_PATIENCE = 30.0
"""Seconds to wait for another process; what is done alone takes milliseconds."""


@contextmanager
def alone(store: Store, name: str) -> Iterator[None]:
    """Keep other processes of this machine from changing the same of ``store`` meanwhile.

    Args:
        name: what is changed; each name has a lock of its own, which is not taken twice.

    Raises:
        WorkspaceError: another process has held the lock for long.
    """
    root = os.path.realpath(store.root) if store.is_local else str(store)
    key = f"{root}\0{name}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"synpic-lock-{digest}", timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise WorkspaceError(
            f"{store.path(name)}: another process has held {lock.lock_file} for {_PATIENCE:.0f} s",
            hint="let it end, or end it; then run the same command again",
        ) from error
    except (OSError, NotImplementedError):  # another user's, or a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
