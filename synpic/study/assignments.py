"""``assignments.db``: what was shown to whom, on which side, and under which random addresses.

A rater who comes back after a while, or after the server was killed, goes on with the same
comparisons. Whether one was answered is in votes.db alone.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from synpic.workspace.database import (
    DatabaseKind,
    empty_log,
    naming_database_errors,
    open_database,
    require_whole,
)

__all__ = [
    "STUDY",
    "Assigned",
    "Assignments",
    "PairToShow",
    "fingerprint_of",
    "now",
    "verify_assignments",
]

_KIND = DatabaseKind(
    name="assignments",
    application_id=0x73706173,  # "spas"
    version=1,
    schema="""
    CREATE TABLE assigned (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        rater TEXT NOT NULL,
        comparison TEXT NOT NULL,
        question TEXT NOT NULL,
        kind TEXT NOT NULL,
        turned INTEGER NOT NULL,
        ticket TEXT NOT NULL UNIQUE,
        left_image TEXT NOT NULL UNIQUE,
        right_image TEXT NOT NULL UNIQUE,
        time TEXT NOT NULL,
        UNIQUE (rater, comparison, question, kind)
    ) STRICT;
    CREATE INDEX by_time ON assigned (time);
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    """,
)

_NAMES = "rater, comparison, question, kind, turned, ticket, left_image, right_image, time"


STUDY = "study"
"""The setting that holds the fingerprint of the study that all of it is of."""


def now() -> str:
    """The time, as tables of a study have it: "2026-03-01T12:00:00Z"."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fingerprint_of(path: Path) -> str | None:
    """Of the study that the file at ``path`` is of; None where there is no file, or none is noted.

    Raises:
        SynpicError: as :class:`Assignments`.
    """
    if not path.exists():
        return None
    with closing(open_database(path, _KIND)) as connection, naming_database_errors(path, _KIND):
        found = connection.execute("SELECT value FROM settings WHERE name = ?", (STUDY,))
        row = found.fetchone()
    return None if row is None else str(row[0])


def verify_assignments(path: Path) -> None:
    """Have SQLite check all of the file at ``path``.

    Raises:
        SynpicError: it is damaged, another kind of file, or cannot be read.
    """
    require_whole(path, _KIND)


@dataclass(frozen=True)
class PairToShow:
    """What is going to be shown to a rater.

    Args:
        turned: whether the second image of the comparison is on the left.
    """

    rater: str
    comparison: str
    question: str
    kind: str
    turned: bool

    @property
    def key(self) -> tuple[str, str, str, str]:
        """As that of its vote: rater, comparison, question, kind."""
        return self.rater, self.comparison, self.question, self.kind


@dataclass(frozen=True)
class Assigned(PairToShow):
    """What was shown to a rater, or is next.

    Args:
        ticket: names it in the page; random, and another one once an answer was taken back.
        left_image, right_image: the addresses of its images; random.
        time: when it was chosen, UTC.
    """

    ticket: str
    left_image: str
    right_image: str
    time: str


class Assignments:
    """The file at ``path``, made where there is none. Any number of threads may use it.

    Raises:
        WorkspaceError: it is another kind of file.
        NewerSchema: a later synpic wrote it.
        CorruptPart: it is damaged.
        StorageError: the disk is full, or refuses. So for every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_database(path, _KIND, create=True)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._connection.close()

    def of_rater(self, rater: str) -> list[Assigned]:
        """All of one rater, in their order."""
        return self._select("WHERE rater = ? ORDER BY number", rater)

    def has_rater(self, rater: str) -> bool:
        """Whether there is anything of one rater."""
        with self._using() as connection:
            found = connection.execute("SELECT 1 FROM assigned WHERE rater = ? LIMIT 1", (rater,))
            return found.fetchone() is not None

    def by_ticket(self, rater: str, ticket: str) -> Assigned | None:
        """That of a ticket of ``rater``; None where there is none."""
        found = self._select("WHERE rater = ? AND ticket = ?", rater, ticket)
        return found[0] if found else None

    def by_image(self, rater: str, address: str) -> Assigned | None:
        """That which shows an image to ``rater`` under ``address``; None where there is none."""
        found = self._select("WHERE rater = ? AND ? IN (left_image, right_image)", rater, address)
        return found[0] if found else None

    def since(self, time: str) -> list[Assigned]:
        """All that were chosen at ``time`` (UTC) or later."""
        return self._select("WHERE time >= ? ORDER BY number", time)

    def add(self, wanted: Sequence[PairToShow]) -> None:
        """Add them in their order, each with a ticket and addresses of its own."""
        rows = [
            (*astuple(one), *(secrets.token_urlsafe(16) for _ in range(3)), now()) for one in wanted
        ]
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(
                    "INSERT INTO assigned (rater, comparison, question, kind, turned, ticket, "
                    "left_image, right_image, time) VALUES (?,?,?,?,?,?,?,?,?)",
                    rows,
                )
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def renew(self, ticket: str) -> None:
        """Give an assignment another ticket: an answer that is still on its way comes too late."""
        with self._using() as connection:
            connection.execute(
                "UPDATE assigned SET ticket = ? WHERE ticket = ?",
                (secrets.token_urlsafe(16), ticket),
            )

    def delete_rater(self, rater: str) -> int:
        """Delete all of one rater for good; how many they were.

        Raises:
            StorageError: they are deleted, but their bytes are still in the log.
        """
        with self._using() as connection:
            done = connection.execute("DELETE FROM assigned WHERE rater = ?", (rater,)).rowcount
            empty_log(connection, self.path)
        return done

    def setting(self, name: str, value: str | None = None) -> str | None:
        """What is noted under ``name``, after ``value`` was, where one is given."""
        with self._using() as connection:
            if value is not None:
                connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))
            found = connection.execute("SELECT value FROM settings WHERE name = ?", (name,))
            row = found.fetchone()
        return None if row is None else str(row[0])

    def _select(self, rest: str, *values: str) -> list[Assigned]:
        with self._using() as connection:
            rows = connection.execute(f"SELECT {_NAMES} FROM assigned {rest}", values).fetchall()
        return [
            Assigned(rater, comparison, question, kind, bool(turned), *rest)
            for rater, comparison, question, kind, turned, *rest in rows
        ]

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, naming_database_errors(self.path, _KIND):
            yield self._connection
