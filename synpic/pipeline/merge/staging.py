"""The folder of the new workspace while it is filled: hidden, beside its place, and one at a time.

It takes its place in one rename, so that a workspace is there whole or not at all. A kill leaves
the hidden folder, which the next merge to the same place removes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from synpic.errors import StorageError, WorkspaceError
from synpic.workspace.naming import check_bytes
from synpic.workspace.storage import Store
from synpic.workspace.whole_folder import flush

__all__ = ["link_or_copy", "links", "put_in_place", "require_free", "staged"]

_GIVES_UP = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What a copy would meet, too."""


def require_free(target: Path) -> None:
    """Refuse a place that holds anything, or that cannot become a workspace.

    Raises:
        WorkspaceError: naming what is there.
    """
    hint = "name a folder that does not exist yet"
    if not target.parent.is_dir():
        raise WorkspaceError(f"--to {target}: there is no folder {target.parent}", hint="make it")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise WorkspaceError(f"--to {target} is there already, and is not a folder", hint=hint)
    if target.is_dir() and any(target.iterdir()):
        raise WorkspaceError(f"--to {target} is there already, and is not empty", hint=hint)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder to fill, beside ``target``; whatever of it is still there in the end is removed.

    Raises:
        WorkspaceError: another process fills one for the same place.
        StorageError: the disk is full, or refuses.
    """
    folder = target.with_name(f".{target.name}.merging")
    lock = FileLock(target.with_name(f"{folder.name}.lock"))
    with _naming(folder), _held(lock, target):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(lock: FileLock, target: Path) -> Iterator[None]:
    # A lock that cannot be made looks to filelock as one that another holds.
    os.close(os.open(lock.lock_file, os.O_RDWR | os.O_CREAT, 0o644))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WorkspaceError(
            f"--to {target}: another process is merging workspaces into it",
            hint="wait until it ends; or name another folder",
        ) from error
    except NotImplementedError:  # a file system without locks
        os.unlink(lock.lock_file)
        yield
        return
    try:
        yield
    finally:
        # Before it is let go: who opens the name from here on has a file of their own, and who has
        # opened it already finds it removed (filelock looks, as of the version that is required).
        with suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


def links(store: Store, target: Path) -> bool:
    """Whether files of ``store`` and of ``target`` lie on one file system here."""
    if not store.is_local:
        return False
    with suppress(OSError):
        return Path(store.root).stat().st_dev == target.parent.stat().st_dev
    return False


def link_or_copy(store: Store, name: str, into: Store) -> bool:
    """Put a part into another workspace by hard link, or by copy where that fails.

    A copy is held to the hash in the part's name before it is written. A link is the same file.

    Returns:
        Whether it is a link.

    Raises:
        CorruptPart: its bytes are not those that were written.
        StorageError: the disk is full, or refuses.
    """
    if store.is_local:
        with into.raising_storage_errors(name):
            to = into.path(name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            try:
                os.link(os.path.realpath(store.path(name)), to)
            except OSError as error:
                if error.errno in _GIVES_UP:
                    raise
            else:
                return True
    data = store.read(name)
    check_bytes(store, name, data)
    into.write(name, data)
    return False


def put_in_place(folder: Path, target: Path) -> None:
    """Flush ``folder`` and make it ``target``, in one rename.

    Raises:
        WorkspaceError: something is there by now.
        StorageError: the disk refuses.
    """
    with _naming(target):
        for root, _, _ in os.walk(folder):
            flush(Path(root))
        require_free(target)
        if target.is_dir():
            target.rmdir()  # Windows replaces no folder
        folder.rename(target)
        flush(target.parent)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror or error}", hint="check the path and the disk"
        ) from error
