"""A folder that appears whole, or not at all, and is on the disk when it appears.

It is filled beside its place, under a hidden name, flushed and then renamed. What a kill leaves
behind has a hidden name too. The next write there removes it, or puts it back if the kill came
between the two renames that replace a folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["flush", "remove_folder", "settle", "whole_folder"]

_MAKING, _OLD, _GONE = ".tmp", ".old", ".gone"


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``target`` when the block ends.

    If the block raises, what was there stays, and the folder is removed. Of a symbolic link, the
    folder that it leads to is replaced, and the link stays.

    Raises:
        OSError: the disk is full, or refuses.
    """
    target = Path(os.path.realpath(target))
    making, old = _hidden(target, _MAKING), _hidden(target, _OLD)
    _put_back(old, target)
    for left in (making, _hidden(target, _GONE)):
        shutil.rmtree(left, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        settle(making)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        making.rename(target)
        flush(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        _put_back(old, target)
        shutil.rmtree(making, ignore_errors=True)
        raise


def _put_back(old: Path, target: Path) -> None:
    if old.exists() and not target.exists():
        old.rename(target)


def remove_folder(folder: Path) -> None:
    """Remove ``folder``; a kill in the middle leaves nothing under its name."""
    gone = _hidden(folder, _GONE)
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def settle(folder: Path) -> None:
    """Flush all below ``folder``, and give each file the mode that a new file has there.

    A new file is readable for whom the umask lets read it. Writers that go by a temporary file
    (safetensors does) leave files that their owner alone can read.

    Raises:
        OSError: the disk is full, or refuses.
    """
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    folders = [folder]
    for path in folder.rglob("*"):
        if path.is_dir():
            folders.append(path)
            continue
        if path.stat().st_mode != mode:
            path.chmod(mode & 0o777)
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
    for one in folders:
        flush(one)


def _hidden(folder: Path, ending: str) -> Path:
    return folder.with_name(f".{folder.name}{ending}")


def flush(folder: Path) -> None:
    """Flush the names in ``folder``, where the system does that."""
    with suppress(OSError):  # Windows opens no folder, and some file systems flush none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
