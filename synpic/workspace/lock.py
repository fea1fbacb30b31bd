"""recipe.lock: what the names of a recipe resolved to, read once by each command."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import Field

from synpic.errors import WorkspaceError
from synpic.hub.lock import LockEntry
from synpic.readers.json_models import Record, parse_json, validate
from synpic.workspace import tables
from synpic.workspace.storage import Store

__all__ = ["LOCK", "RecipeLock"]

LOCK = "recipe.lock"

_HINT = "restore it; or delete it, and branches are resolved to their newest commits"

_PATIENCE = 30.0
"""Seconds to wait for another process that is adding an entry; it takes milliseconds."""


class _File(Record, extra="forbid"):
    """What recipe.lock holds."""

    schema_version: int = Field(ge=1)
    resolved: list[LockEntry]


class RecipeLock:
    """The entries of recipe.lock as they were read, and those that were added since.

    A command reads the file once and works with these entries to its end, whatever other processes
    write meanwhile.

    Args:
        store: of the workspace.
        entries: what the file holds.
    """

    def __init__(self, store: Store, entries: Iterable[LockEntry] = ()) -> None:
        self._store = store
        self._known = {entry.key: entry for entry in entries}

    @classmethod
    def read(cls, store: Store) -> RecipeLock:
        """The lock of the workspace in ``store``; an empty one if nothing has been resolved.

        Raises:
            WorkspaceError: recipe.lock is damaged; the message names each key that is wrong.
            NewerSchema: a later synpic wrote it.
        """
        return cls(store, _read(store))

    @property
    def entries(self) -> list[LockEntry]:
        """All of them, sorted by kind, source and revision."""
        return _sorted(self._known.values())

    @property
    def folder(self) -> Path:
        """Where relative paths start: the folder of the workspace."""
        return self._store.folder

    def get(self, kind: str, source: str, revision: str | None) -> LockEntry | None:
        """The entry of a name; None if it has not been resolved."""
        return self._known.get((kind, source, revision))

    def remember(self, entry: LockEntry) -> LockEntry:
        """Add ``entry`` to the file, and return the entry that the file holds for its name.

        An entry that another process has written for the same name meanwhile is kept, and ``entry``
        is dropped. Only its stamp is taken over where the content is the same: else the folder
        would be hashed by every command.

        Raises:
            WorkspaceError: recipe.lock has been damaged since it was read.
            StorageError: it cannot be written.
        """
        with _alone(self._store):
            written = {one.key: one for one in _read(self._store)}
            found = written.get(entry.key)
            kept = entry if found is None or found.identity == entry.identity else found
            self._known[entry.key] = kept
            # Also what this process knows and the file has lost: it stays as it was resolved.
            merged = {**self._known, **written, entry.key: kept}
            if merged != written:
                self._store.write(LOCK, _encode(merged.values()))
        return kept


def _read(store: Store) -> list[LockEntry]:
    if not store.exists(LOCK):
        return []
    where = store.path(LOCK)
    data = parse_json(store.read(LOCK), where, error=WorkspaceError, hint=_HINT)
    if isinstance(data, dict):
        tables.require_version(data, where)
    entries = validate(_File, data, where, WorkspaceError, _HINT).resolved
    twice = [key for key, number in Counter(entry.key for entry in entries).items() if number > 1]
    if twice:
        kind, source, revision = twice[0]
        at = f" at {revision}" if revision else ""
        raise WorkspaceError(f"{where}: resolved: {kind} {source}{at} is there twice", hint=_HINT)
    return entries


def _encode(entries: Iterable[LockEntry]) -> bytes:
    rows: list[dict[str, Any]] = [entry.model_dump() for entry in _sorted(entries)]
    text = json.dumps({"schema_version": tables.SCHEMA_VERSION, "resolved": rows}, indent=2)
    return (text + "\n").encode()


def _sorted(entries: Iterable[LockEntry]) -> list[LockEntry]:
    return sorted(entries, key=lambda entry: str(entry.key))


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Keep other processes of this machine from adding an entry between a read and a write.

    The lock file lies in the machine's folder for temporary files, so that a workspace holds
    nothing but what it has made. Processes of several machines have no such lock: each writes all
    entries that it knows whenever it adds one, so that what a race loses comes back.
    """
    name = hashlib.sha256(str(store).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"synpic-lock-{name}", timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise WorkspaceError(
            f"{store.path(LOCK)}: another process has held {lock.lock_file} for {_PATIENCE:.0f} s",
            hint="let it end, or end it; then run the same command again",
        ) from error
    except (OSError, NotImplementedError):  # another user's, or a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
