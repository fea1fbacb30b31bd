"""recipe.lock: what was found out about a recipe once, read once by each command."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from synpic.errors import WorkspaceError
from synpic.hub.lock import LockEntry
from synpic.readers.json_models import Record, parse_json, validate
from synpic.workspace import tables
from synpic.workspace.alone import alone
from synpic.workspace.storage import Store

__all__ = ["LOCK", "RecipeLock", "TriedSchedule"]

LOCK = "recipe.lock"

_HINT = "restore it; or delete it, and branches are resolved to their newest commits"


class TriedSchedule(Record, extra="forbid"):
    """A scheduler that does what a model of the recipe asks of it, as a trial found.

    Args:
        scheduler: its class.
        steps: how many are asked for; None: the pipeline's own number.
        diffusers: the version that it was tried with.
        ignored: options that change nothing.
        sha256: of everything that was asked, the version of diffusers too.
    """

    scheduler: str
    steps: int | None
    diffusers: str
    ignored: list[str]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Row(LockEntry, extra="forbid"):
    """An entry as the file has it.

    Args:
        sha256: of the entry. A commit with another digit is a commit too, and images of the one
            that was resolved would be left out of every ranking. None where an earlier synpic, or
            a person, wrote it.
    """

    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    @property
    def entry(self) -> LockEntry:
        return LockEntry(**self.model_dump(exclude={"sha256"}))


class _File(Record, extra="forbid"):
    """What recipe.lock holds."""

    schema_version: int = Field(ge=1)
    resolved: list[_Row]
    schedules: list[TriedSchedule] = Field(default_factory=list)

    @property
    def entries(self) -> list[LockEntry]:
        return [row.entry for row in self.resolved]


class RecipeLock:
    """The entries of recipe.lock as they were read, and those that were added since.

    A command reads the file once and works with these entries to its end, whatever other processes
    write meanwhile.

    Args:
        store: of the workspace.
        entries: the names in it.
        schedules: the schedules in it.
    """

    def __init__(
        self,
        store: Store,
        entries: Iterable[LockEntry] = (),
        schedules: Iterable[TriedSchedule] = (),
    ) -> None:
        self._store = store
        self._known = {entry.key: entry for entry in entries}
        self._tried = {one.sha256: one for one in schedules}

    @classmethod
    def read(cls, store: Store) -> RecipeLock:
        """The lock of the workspace in ``store``; an empty one if nothing has been resolved.

        Raises:
            WorkspaceError: recipe.lock is damaged; the message names each key that is wrong.
            NewerSchema: a later synpic wrote it.
        """
        file = _read(store)
        return cls(store, file.entries, file.schedules)

    @property
    def entries(self) -> list[LockEntry]:
        """All of them, sorted by kind, source and revision."""
        return _sorted(self._known.values())

    @property
    def schedules(self) -> list[TriedSchedule]:
        """All that were tried and work."""
        return list(self._tried.values())

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
        with alone(self._store, LOCK):
            file = _read(self._store)
            written = {one.key: one for one in file.entries}
            found = written.get(entry.key)
            kept = entry if found is None or found.identity == entry.identity else found
            self._known[entry.key] = kept
            # Also what this process knows and the file has lost: it stays as it was resolved.
            merged = {**self._known, **written, entry.key: kept}
            if merged != written:
                self._store.write(LOCK, _encode(merged.values(), file.schedules))
        return kept

    def write(self) -> None:
        """Write these entries as the file of a workspace that has none yet.

        Raises:
            StorageError: it cannot be written.
        """
        if self._known or self._tried:
            self._store.write(LOCK, _encode(self._known.values(), self._tried.values()))

    def tried(self, sha256: str) -> TriedSchedule | None:
        """The schedule that was tried and works; None of one that is not known to."""
        return self._tried.get(sha256)

    def remember_tried(self, schedules: Iterable[TriedSchedule]) -> None:
        """Add ``schedules`` to the file, which keeps what other processes have added.

        Raises:
            WorkspaceError: recipe.lock has been damaged since it was read.
            StorageError: it cannot be written.
        """
        self._tried |= {one.sha256: one for one in schedules}
        with alone(self._store, LOCK):
            file = _read(self._store)
            written = {one.sha256: one for one in file.schedules}
            if not self._tried.keys() <= written.keys():
                merged = {**self._tried, **written}
                self._store.write(LOCK, _encode(file.entries, merged.values()))


def _read(store: Store) -> _File:
    if not store.exists(LOCK):
        return _File(schema_version=tables.SCHEMA_VERSION, resolved=[])
    where = store.path(LOCK)
    data = parse_json(store.read(LOCK), where, error=WorkspaceError, hint=_HINT)
    if isinstance(data, dict):
        tables.require_version(data, where)
    file = validate(_File, data, where, WorkspaceError, _HINT)
    keys = Counter(entry.key for entry in file.resolved)
    twice = [key for key, number in keys.items() if number > 1]
    if twice:
        kind, source, revision = twice[0]
        at = f" at {revision}" if revision else ""
        raise WorkspaceError(f"{where}: resolved: {kind} {source}{at} is there twice", hint=_HINT)
    for number, row in enumerate(file.resolved):
        if row.sha256 not in (None, _hash(row.entry)):
            raise WorkspaceError(
                f"{where}: resolved.{number}: {row.kind} {row.source} is not the entry that was "
                "written: it does not match its sha256",
                hint=f"{_HINT}; after an edit by hand, delete its line of sha256",
            )
    return file


def _encode(entries: Iterable[LockEntry], schedules: Iterable[TriedSchedule]) -> bytes:
    # The hash comes first: without its line the rest is still JSON.
    rows = [{"sha256": _hash(entry), **entry.model_dump()} for entry in _sorted(entries)]
    data: dict[str, Any] = {"schema_version": tables.SCHEMA_VERSION, "resolved": rows}
    tried = sorted(schedules, key=lambda one: (one.scheduler, one.sha256))
    if tried:
        data["schedules"] = [one.model_dump() for one in tried]
    return (json.dumps(data, indent=2) + "\n").encode()


def _hash(entry: LockEntry) -> str:
    return hashlib.sha256(json.dumps(entry.model_dump(), sort_keys=True).encode()).hexdigest()


def _sorted(entries: Iterable[LockEntry]) -> list[LockEntry]:
    return sorted(entries, key=lambda entry: str(entry.key))
