"""A folder that appears in its place whole, or not at all.

It is filled beside its place, under a hidden name, and moved there in the end. What was there
before must be an older one of its kind and nothing else; it stays until then. Taking the old one
away and putting the new one there are two moves: a kill between them leaves the old one beside its
place, and the next publish puts it back before it begins. What a kill leaves half filled, the next
publish removes. A lock file beside each such folder (its name and ``.lock``) shows whether a
process still works on it: the operating system ends the lock with the process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from synpic.errors import PublishError, SynpicError
from synpic.release.manifest import MANIFEST, ExportManifest, read_manifest

__all__ = ["Kind", "new_folder", "require_free", "scratch"]

Kind = Literal["release", "export"]
"""What a folder is to hold, and so what it may replace: one never takes the place of the other."""

_PARTIAL = "partial"
_REPLACED = "replaced"
_LOCK = ".lock"
_LOOK = 5.0


@contextmanager
def new_folder(target: Path, kind: Kind = "release") -> Iterator[Path]:
    """A folder to fill, which becomes ``target`` when the block ends, and is removed if it raises.

    Of a symbolic link, the folder that it leads to is replaced, and the link stays.

    Args:
        kind: what it will hold.

    Raises:
        PublishError: as :func:`require_free`, at the beginning and again at the end.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    _tidy(target)
    require_free(target, kind)
    with _claimed(lambda: _beside(target, _PARTIAL)) as folder:
        folder.mkdir()
        try:
            yield folder
            require_free(target, kind)
            _swap(folder, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder of the system's temporary one (``TMPDIR``), which is gone when the block ends.

    What a kill left of earlier ones of that name is removed first.
    """
    root = Path(tempfile.gettempdir())
    for left in _abandoned(root, f"{name}-"):
        shutil.rmtree(left, ignore_errors=True)
    with _claimed(lambda: root / f"{name}-{uuid.uuid4().hex[:8]}") as folder:
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def require_free(target: Path, kind: Kind = "release") -> None:
    """Refuse a place that holds anything but an older one of ``kind``.

    A folder of the other kind is refused too: a release costs days, and an export minutes.

    Raises:
        PublishError: naming what is there; nothing was touched.
        ReleaseError: its manifest is damaged.
        NewerSchema: a later synpic wrote it.
    """
    if not target.exists():
        return
    hint = "name a folder that does not exist yet, or move what is there"
    if not target.is_dir():
        raise PublishError(f"{target} is there already, and is not a folder", hint=hint)
    present = {
        path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()
    }
    if not present and not any(target.iterdir()):
        return
    one = {"release": "a release", "export": "an export"}
    manifest = read_manifest(target)
    if manifest is None:
        raise PublishError(
            f"{target} is there already, and is not {one[kind]}: it has no {MANIFEST} of synpic's",
            hint=hint,
        )
    found: Kind = "export" if isinstance(manifest, ExportManifest) else "release"
    if found != kind:
        raise PublishError(
            f"{target} is {one[found]}, which {one[kind]} does not replace", hint=hint
        )
    foreign = sorted(present - {*manifest.files, MANIFEST})
    if foreign:
        raise PublishError(
            f"{target} holds what {MANIFEST} does not list, which is no part of its {kind}: "
            f"{foreign[0]}" + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""),
            hint=f"a new {kind} replaces the whole folder; move what is yours out of it first",
        )


def _swap(folder: Path, target: Path) -> None:
    """Move ``folder`` to ``target``; the older one there goes, or comes back if that fails."""
    if not target.exists():
        folder.rename(target)
        return
    with _claimed(lambda: _beside(target, _REPLACED)) as older:
        target.rename(older)
        try:
            folder.rename(target)
        except BaseException:
            older.rename(target)
            raise
        shutil.rmtree(older, ignore_errors=True)


def _tidy(target: Path) -> None:
    """Undo what a kill left behind beside ``target``."""
    for older in _abandoned(target.parent, _prefix(target, _REPLACED)):
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()
        if not target.exists():
            older.rename(target)
        elif _has_manifest(target):  # else what is beside it may be the only release
            shutil.rmtree(older, ignore_errors=True)
    for partial in _abandoned(target.parent, _prefix(target, _PARTIAL)):
        shutil.rmtree(partial, ignore_errors=True)


def _has_manifest(target: Path) -> bool:
    try:
        return target.is_dir() and read_manifest(target) is not None
    except SynpicError:
        return False


def _beside(target: Path, what: str) -> Path:
    return target.with_name(_prefix(target, what) + uuid.uuid4().hex[:8])


def _prefix(target: Path, what: str) -> str:
    return f".{target.name}.{what}-"


def _abandoned(parent: Path, prefix: str) -> Iterator[Path]:
    """The folders of ``parent`` whose names begin so and that no process holds, each while locked.

    A lock file that a kill left without its folder is removed.
    """
    names = {
        path.name.removesuffix(_LOCK) for path in parent.iterdir() if path.name.startswith(prefix)
    }
    for name in sorted(names):
        folder = parent / name
        with _locked(folder) as held:
            if held == "ours" and folder.is_dir():
                yield folder


@contextmanager
def _claimed(name: Callable[[], Path]) -> Iterator[Path]:
    """The first of ``name()`` that no other process holds, held against being taken for abandoned.

    Another process may look, for a moment, whether a folder of a new name is abandoned.
    """
    while True:
        folder = name()
        with _locked(folder, wait=_LOOK) as held:
            if held != "another's":
                yield folder
                return


@contextmanager
def _locked(
    folder: Path, wait: float = 0
) -> Iterator[Literal["ours", "another's", "without locks"]]:
    """Hold ``folder`` against being taken for abandoned; whose the lock is.

    Args:
        wait: seconds for another process to let go of it.

    The lock file is made where it is missing, and removed in the end unless another one has it.
    """
    file = folder.with_name(folder.name + _LOCK)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        yield "another's"
        return
    except (OSError, NotImplementedError):
        # Another user's, or a file system without locks: then nothing is ever removed.
        yield "without locks"
        return
    try:
        yield "ours"
    finally:
        lock.release()
        # Names are used once: a process that takes the lock from here on finds no folder.
        with suppress(OSError):
            file.unlink(missing_ok=True)
