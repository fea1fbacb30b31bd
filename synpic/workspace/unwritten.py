"""A store for dry runs: what is written to it stays in memory, and is gone with the process."""

from __future__ import annotations

import io
import posixpath
from typing import BinaryIO

from synpic.errors import StorageError
from synpic.workspace.storage import Store

__all__ = ["UnwrittenStore"]


class UnwrittenStore(Store):
    """The files of ``store``, with changes that this object alone sees.

    A dry run takes the same way as the run that it foretells: that resolves names into
    ``recipe.lock`` and reads prompts into ``prompts.parquet`` before it knows what is missing.

    Args:
        store: the files as they are; none of them is changed.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(str(store))
        self._changed: dict[str, bytes | None] = {}  # full path → content; None: removed

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        key = self._key(name)
        if key in self._changed:
            return self._changed[key] is not None
        return bool(self._written_in(key)) or super().exists(name)

    def size(self, name: str) -> int:
        """Bytes of the file ``name``."""
        data = self._written(name)
        return super().size(name) if data is None else len(data)

    def list(self, folder: str) -> list[str]:
        """Names of the entries of ``folder``, sorted, hidden ones left out; [] if there is none."""
        key = self._key(folder)
        there = [
            name
            for name in super().list(folder)
            if self._changed.get(posixpath.join(key, name), b"") is not None
        ]
        written = {one for one in self._written_in(key) if not one.startswith(".")}
        return sorted({*there, *written})

    def read(self, name: str) -> bytes:
        """The whole of ``name``."""
        data = self._written(name)
        return super().read(name) if data is None else data

    def open(self, name: str) -> BinaryIO:
        """``name`` opened for reading."""
        data = self._written(name)
        return super().open(name) if data is None else io.BytesIO(data)

    def write(self, name: str, data: bytes) -> None:
        """Have ``data`` at ``name``, in memory."""
        self._changed[self._key(name)] = data

    def move(self, name: str, target: str) -> None:
        """Have the file ``name`` at ``target``, in memory; a folder is not there any more."""
        with self.raising_storage_errors(name):
            folder = self._written(name) is None and self.fs.isdir(self.path(name))
        if not folder:
            self._changed[self._key(target)] = self.read(name)
        self._changed[self._key(name)] = None

    def remove(self, name: str) -> None:
        """Have no file ``name``; one that is not there is no error."""
        self._changed[self._key(name)] = None

    def _key(self, name: str) -> str:
        return posixpath.normpath(self.path(name))

    def _written(self, name: str) -> bytes | None:
        """What was written at ``name`` since; None where nothing was.

        Raises:
            StorageError: it was removed.
        """
        key = self._key(name)
        data = self._changed.get(key)
        if data is None and key in self._changed:
            raise StorageError(
                f"{self.path(name)}: removed by this dry run", hint="run the command again"
            )
        return data

    def _written_in(self, folder: str) -> set[str]:
        """Names directly in ``folder`` that were written, or lead to what was."""
        below = folder.rstrip("/") + "/"
        return {
            key[len(below) :].split("/", 1)[0]
            for key, data in self._changed.items()
            if data is not None and key.startswith(below)
        }
