"""SQLite files of a workspace: opened, recognised by what they are, and their errors named.

Several processes write to a file at once, and any of them may be killed: the journal is a
write-ahead log, and what was committed is on the disk (``synchronous=FULL``). Each kind of file has
a number of its own in its header (``application_id``), and its schema a version (``user_version``).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from synpic.errors import CorruptPart, NewerSchema, StorageError, WorkspaceError

__all__ = ["DatabaseKind", "empty_log", "naming_database_errors", "open_database", "require_whole"]

_PATIENCE = 30.0
"""Seconds to wait for another process that writes; a write takes milliseconds."""

_TRIES = 20
_PAUSE = 0.25
"""How often the log is tried to be emptied, and how long to wait between two times, in seconds."""

_FAULTS = 3
"""How many faults of a file are named."""

_RESTORE = "restore it from a copy; `sqlite3 FILE .recover` finds what is left of one"

_LEAST_FILE = 512
"""Bytes of the smallest database: SQLite takes a shorter file for an empty one."""


@dataclass(frozen=True)
class DatabaseKind:
    """A kind of file.

    Args:
        name: what it holds, for messages: "votes".
        application_id: its number in the header of the file.
        version: of ``schema``.
        schema: SQL that makes an empty one.
    """

    name: str
    application_id: int
    version: int
    schema: str


def open_database(path: Path, kind: DatabaseKind, *, create: bool = False) -> sqlite3.Connection:
    """The file at ``path``, in autocommit mode: a statement alone is a transaction.

    Any thread may use the connection, one at a time.

    Args:
        create: make an empty one where there is none.

    Raises:
        WorkspaceError: there is none, or it is another kind of file, which stays as it is.
        NewerSchema: a later synpic wrote it.
        CorruptPart: it is damaged; or it is empty, and was not to be made.
        StorageError: the disk is full, or refuses.
    """
    if not create and not path.exists():
        raise WorkspaceError(f"{path}: there is no such file of {kind.name}", hint="check the path")
    with naming_database_errors(path, kind):
        connection = sqlite3.connect(
            path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
    try:
        with naming_database_errors(path, kind):
            _prepare(connection, path, kind, create)
    except BaseException:
        connection.close()
        raise
    return connection


def require_whole(path: Path, kind: DatabaseKind) -> None:
    """Have SQLite check all pages and indexes of the file, and hold its tables to ``kind``.

    Raises:
        CorruptPart: naming the first faults.
        WorkspaceError, NewerSchema, StorageError: as :func:`open_database`.
    """
    with closing(open_database(path, kind)) as connection, naming_database_errors(path, kind):
        found = [str(one) for (one,) in connection.execute(f"PRAGMA integrity_check({_FAULTS})")]
        there = _schema(connection)
    if found != ["ok"]:
        faults = "; ".join(" ".join(one.split()) for one in found)
        raise CorruptPart(f"{path}: the file of {kind.name} is damaged: {faults}", hint=_RESTORE)
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(kind.schema)
        wanted = _schema(empty)
    other = sorted(name for name in wanted if there.get(name) != wanted[name])
    if other:
        raise CorruptPart(
            f"{path}: not the tables of a file of {kind.name}: {', '.join(other)} is missing, or "
            "another one",
            hint=_RESTORE,
        )


@contextmanager
def naming_database_errors(path: Path, kind: DatabaseKind) -> Iterator[None]:
    """Turn SQLite's errors into ones that name the file and say what to do.

    A broken constraint passes as it is: it is an answer to the statement.

    Raises:
        WorkspaceError, CorruptPart, StorageError: as :func:`open_database`.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise _foreign(path, kind) from error
        if code == sqlite3.SQLITE_CORRUPT or not isinstance(error, sqlite3.OperationalError):
            raise CorruptPart(
                f"{path}: the file of {kind.name} is damaged: {error}", hint=_RESTORE
            ) from error
        hint = {
            sqlite3.SQLITE_FULL: "free some room and try again: what was acknowledged is there",
            sqlite3.SQLITE_READONLY: "check who may write there",
            sqlite3.SQLITE_BUSY: "another process writes to it all the time; try again",
        }.get(code, "check the path and the disk, then try again")
        raise StorageError(f"{path}: {error}", hint=hint) from error


def _prepare(connection: sqlite3.Connection, path: Path, kind: DatabaseKind, create: bool) -> None:
    # A file is recognised before anything is set: a setting may write, also into a file of others.
    is_new = _is_empty(connection)
    if is_new and not create:
        raise CorruptPart(
            f"{path}: it is empty, and not a file of {kind.name} that synpic wrote",
            hint="restore it from a copy; or move it away",
        )
    if is_new and 0 < path.stat().st_size < _LEAST_FILE:
        raise _foreign(path, kind)
    if not is_new:
        _recognise(connection, path, kind)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # What was deleted is overwritten: a person may ask for it.
    connection.execute("PRAGMA secure_delete = ON")
    if is_new:
        connection.executescript(
            f"BEGIN IMMEDIATE; {kind.schema} PRAGMA application_id = {kind.application_id}; "
            f"PRAGMA user_version = {kind.version}; COMMIT;"
        )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return _numbers(connection) == (0, 0) and not _tables(connection)


def _recognise(connection: sqlite3.Connection, path: Path, kind: DatabaseKind) -> None:
    found, version = _numbers(connection)
    if found != kind.application_id:
        raise _foreign(path, kind)
    if version > kind.version:
        raise NewerSchema(
            f"{path}: its schema has version {version}, and this synpic reads {kind.version}",
            hint="a later synpic wrote it: update synpic",
        )


def empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Write the log into the file at ``path``, and empty it: what was deleted is in neither.

    It is tried for some seconds, for as long as another process reads what the log has.

    Raises:
        StorageError: something still does; the log is as it was.
    """
    # Between two tries others may write: SQLite itself would keep them waiting.
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        for _ in range(_TRIES):
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            time.sleep(_PAUSE)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(_PATIENCE * 1000)}")
    raise StorageError(
        f"{path}: what was deleted is gone, but its bytes are still in {path.name}-wal"
        ": another program reads the file",
        hint="end that program, and run the same command again: it empties the log, and says that "
        "there is nothing left to delete",
    )


def _numbers(connection: sqlite3.Connection) -> tuple[int, int]:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found), int(version)


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    """Name of a table or index → the SQL that made it."""
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {str(name): " ".join(sql.split()) for name, sql in rows}


def _tables(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return int(found)


def _foreign(path: Path, kind: DatabaseKind) -> WorkspaceError:
    return WorkspaceError(
        f"{path}: it is not a file of {kind.name} that synpic wrote",
        hint="move it away, or name the right file",
    )
