"""The few things a workspace asks of a disk: list, read, write whole or not at all, move aside.

Any fsspec file system will do. Where files can be renamed, one is written to a hidden temporary
name first (and on a local disk flushed); an object store, which renames nothing, puts a file in one
operation already. Listings that a client remembers are forgotten before they are asked for: other
machines write too.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from synpic.errors import StorageError, WorkspaceError
from synpic.workspace.root import Root

__all__ = ["Store"]


class Store:
    """Files below one root, named by relative POSIX paths.

    Args:
        root: a folder, or an fsspec address such as ``memory://set``. A folder is made if need be,
            and has to stay the one it was when it was first seen.

    Raises:
        WorkspaceError: nothing that is installed opens such an address.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.fs: Any
        self.root: str
        self.fs, self.root = _open(os.fspath(root))
        self.is_local = isinstance(self.fs, LocalFileSystem)
        self._folder = Root(self.root) if self.is_local else None

    def __str__(self) -> str:
        return self.root if self.is_local else str(self.fs.unstrip_protocol(self.root))

    @property
    def folder(self) -> Path:
        """Where relative paths start.

        A workspace on another file system has no folder beside it: only full paths can be used.
        """
        return Path(self.root if self.is_local else str(self))

    def path(self, name: str) -> str:
        """The full path of ``name``, as messages show it."""
        return posixpath.join(self.root, name) if name else self.root

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        self.fs.invalidate_cache()
        with self.raising_storage_errors(name):
            return bool(self.fs.exists(self.path(name)))

    def size(self, name: str) -> int:
        """Bytes of the file ``name``."""
        with self.raising_storage_errors(name):
            return int(self.fs.size(self.path(name)))

    def list(self, folder: str) -> list[str]:
        """Names of the entries of ``folder``, sorted, hidden ones left out; [] if there is none."""
        self.fs.invalidate_cache()
        with self.raising_storage_errors(folder):
            try:
                entries = self.fs.ls(self.path(folder), detail=False)
            except FileNotFoundError:
                return []
        names = (posixpath.basename(entry.rstrip("/")) for entry in entries)
        return sorted(name for name in names if not name.startswith("."))

    def read(self, name: str) -> bytes:
        """The whole of ``name``."""
        with self.raising_storage_errors(name):
            return cast(bytes, self.fs.cat_file(self.path(name)))

    def open(self, name: str) -> BinaryIO:
        """``name`` opened for reading."""
        with self.raising_storage_errors(name):
            if isinstance(self.fs, MemoryFileSystem):
                # All who open a file there share one place in it.
                return io.BytesIO(self.fs.cat_file(self.path(name)))
            return cast(BinaryIO, self.fs.open(self.path(name), "rb"))

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` at ``name``: whole, or not at all.

        Raises:
            StorageError: the disk is full or refuses; what was there before still is.
        """
        target = self.path(name)
        with self.raising_storage_errors(name):
            if self._folder is None or not self.is_local:
                self._put(target, data)
                return
            folder, base = os.path.split(target)
            self._folder.make(folder)
            temporary = os.path.join(folder, f".{base}.{uuid.uuid4().hex[:8]}.tmp")
            try:
                with open(temporary, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(temporary, target)
            except BaseException:
                if os.path.exists(temporary):
                    os.unlink(temporary)
                raise

    def _put(self, target: str, data: bytes) -> None:
        fs = self.fs
        if type(fs).mv is AbstractFileSystem.mv:  # copies: no better than writing it there
            fs.pipe_file(target, data)
            return
        folder, base = posixpath.split(target)
        fs.makedirs(folder, exist_ok=True)
        temporary = posixpath.join(folder, f".{base}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            fs.pipe_file(temporary, data)
            fs.mv(temporary, target)
        except BaseException:
            with suppress(OSError):
                fs.rm_file(temporary)
            raise

    def move(self, name: str, target: str) -> None:
        """Rename ``name`` to ``target``, making its folder."""
        with self.raising_storage_errors(name):
            folder = posixpath.dirname(self.path(target))
            if self._folder is None:
                self.fs.makedirs(folder, exist_ok=True)
            else:
                self._folder.make(folder)
            self.fs.mv(self.path(name), self.path(target))

    def remove(self, name: str) -> None:
        """Delete the file ``name``; one that another process has removed already is no error."""
        with self.raising_storage_errors(name), suppress(FileNotFoundError):
            self.fs.rm_file(self.path(name))

    @contextmanager
    def raising_storage_errors(self, name: str) -> Iterator[None]:
        """Turn the operating system's refusals into one that says what to do.

        Raises:
            StorageError: it refuses; or the root is not the folder that it was.
        """
        if self._folder is not None:
            self._folder.require()
        try:
            yield
        except OSError as error:
            if self._folder is not None:
                self._folder.require()
            hint = {
                errno.ENOSPC: "free some room and run the same command again: it goes on",
                errno.EDQUOT: "the quota is used up; free some room and run the same command again",
                errno.EACCES: "check who may write there",
                errno.EROFS: "the file system is read-only; copy the workspace elsewhere",
            }.get(error.errno or 0, "check the path and the disk, then run the same command again")
            reason = error.strerror or str(error)
            raise StorageError(f"{self.path(name)}: {reason}", hint=hint) from error


def _open(root: str) -> tuple[Any, str]:
    """The file system of ``root``, and its path there."""
    if "://" not in root:  # a folder, whatever else its name holds
        fs = LocalFileSystem()
        return fs, fs._strip_protocol(root)
    try:
        return cast(tuple[Any, str], fsspec.core.url_to_fs(root))
    except (ImportError, ValueError) as error:
        raise WorkspaceError(
            f"{root} cannot be opened: {error}",
            hint="install the package with which fsspec opens such addresses; or name a folder",
        ) from error
