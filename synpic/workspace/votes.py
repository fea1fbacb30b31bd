"""``votes.db``: what people answered when they compared two images.

One SQLite file, one row for each vote. A vote is on the disk before :meth:`Votes.append` returns,
and a rater's answer to one question about one comparison is stored once, however often it is sent.
SQLite has no checksums: each row carries a hash of what it says, and is held to it when it is read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from synpic.errors import CorruptPart, WorkspaceError
from synpic.workspace.database import (
    DatabaseKind,
    empty_log,
    naming_database_errors,
    open_database,
    require_whole,
)

__all__ = ["ANSWERS", "VOTE_COLUMNS", "VOTE_KINDS", "Vote", "Votes", "read_votes", "verify_votes"]

ANSWERS = ("left", "right", "tie", "both_bad", "skip")
"""What a rater may answer: which image is better, neither, both bad, or no answer."""

VOTE_KINDS = ("real", "repeat", "check")
"""A comparison of the study; one that the rater has seen, with its sides swapped; one in which an
image belongs to another prompt, to see whether the rater looks."""

VOTE_COLUMNS = {
    "number": pl.Int64(),
    "comparison": pl.String(),
    "question": pl.String(),
    "left": pl.String(),
    "right": pl.String(),
    "answer": pl.String(),
    "rater": pl.String(),
    "milliseconds": pl.Int64(),
    "kind": pl.String(),
    "time": pl.String(),
}
"""Columns of :func:`read_votes`, and their types."""


def _one_of(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


_KIND = DatabaseKind(
    name="votes",
    application_id=0x73707674,  # "spvt"
    version=1,
    # A number is never used twice, also not that of a vote that was taken back.
    schema=f"""
    CREATE TABLE votes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        comparison TEXT NOT NULL,
        question TEXT NOT NULL,
        "left" TEXT NOT NULL,
        "right" TEXT NOT NULL,
        answer TEXT NOT NULL CHECK (answer IN ({_one_of(ANSWERS)})),
        rater TEXT NOT NULL,
        milliseconds INTEGER NOT NULL CHECK (milliseconds >= 0),
        kind TEXT NOT NULL CHECK (kind IN ({_one_of(VOTE_KINDS)})),
        time TEXT NOT NULL,
        digest TEXT NOT NULL,
        UNIQUE (rater, comparison, question, kind)
    ) STRICT;
    """,
)

_NAMES = 'comparison, question, "left", "right", answer, rater, milliseconds, kind, time'
_KEY = "rater = ? AND comparison = ? AND question = ? AND kind = ?"


@dataclass(frozen=True)
class Vote:
    """One answer.

    Args:
        comparison: names the two images in the study.
        question: the name of what was asked.
        left, right: candidate ids, as they were shown.
        answer: one of ``ANSWERS``.
        rater: a random id.
        milliseconds: from when both images were shown to the answer.
        kind: one of ``VOTE_KINDS``.
        time: UTC, "2026-03-01T12:00:00Z".
        number: of the row, from 1; 0 for one that is not stored yet.
    """

    comparison: str
    question: str
    left: str
    right: str
    answer: str
    rater: str
    milliseconds: int
    kind: str
    time: str
    number: int = 0

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What may be answered once: rater, comparison, question, kind."""
        return self.rater, self.comparison, self.question, self.kind


class Votes:
    """The file at ``path``. Any number of threads and processes may write to it.

    Args:
        create: make an empty one where there is none.

    Raises:
        WorkspaceError: there is none, or it is another kind of file.
        NewerSchema: a later synpic wrote it.
        CorruptPart: it is damaged.
        StorageError: the disk is full, or refuses. So for every method.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._connection = open_database(path, _KIND, create=create)
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._counted_at: int | None = None  # SQLite's data_version; None: not counted yet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._connection.close()

    def append(self, vote: Vote) -> Vote:
        """Store ``vote``; it is on the disk when this returns.

        Returns:
            What is stored: ``vote`` with its number, or the rater's earlier answer to the same.

        Raises:
            WorkspaceError: an answer or kind that does not exist, or a negative time.
        """
        values = astuple(vote)[:-1]
        try:
            with self._using() as connection:
                number = connection.execute(
                    f"INSERT INTO votes ({_NAMES}, digest) VALUES (?,?,?,?,?,?,?,?,?,?)",
                    (*values, _digest(values)),
                ).lastrowid
                if vote.kind == "real":
                    self._counts[vote.comparison, vote.question] += 1
        except sqlite3.IntegrityError as error:
            found = self.find(*vote.key)
            if found is None:
                raise WorkspaceError(
                    f"{self.path}: not a vote: {error}",
                    hint=f"answers are {', '.join(ANSWERS)}; kinds are {', '.join(VOTE_KINDS)}",
                ) from error
            return found
        return replace(vote, number=int(number or 0))

    def find(self, rater: str, comparison: str, question: str, kind: str) -> Vote | None:
        """The rater's answer; None where there is none."""
        found = self._select(f"WHERE {_KEY}", (rater, comparison, question, kind))
        return found[0] if found else None

    def withdraw(self, rater: str, comparison: str, question: str, kind: str) -> bool:
        """Take the rater's answer back, as if it had not been given; whether there was one."""
        with self._using() as connection:
            done = connection.execute(
                f"DELETE FROM votes WHERE {_KEY}", (rater, comparison, question, kind)
            )
            if done.rowcount > 0 and kind == "real":
                self._counts[comparison, question] -= 1
            return done.rowcount > 0

    def of_rater(self, rater: str) -> list[Vote]:
        """The answers of one rater, in their order."""
        return self._select("WHERE rater = ? ORDER BY number", (rater,))

    def delete_rater(self, rater: str) -> int:
        """Delete all answers of one rater for good; how many they were.

        The bytes are overwritten, in the log too.

        Raises:
            StorageError: they are deleted, but their bytes are still in the log.
        """
        with self._using() as connection:
            count = connection.execute("DELETE FROM votes WHERE rater = ?", (rater,)).rowcount
            self._counts.clear()
            self._counted_at = None
            empty_log(connection, self.path)
        return count

    def counts(self) -> Counter[tuple[str, str]]:
        """(comparison, question) → how many raters have answered; repeats and checks left out.

        They are counted once, and again only after another process has written.
        """
        with self._using() as connection:
            (at,) = connection.execute("PRAGMA data_version").fetchone()
            if at != self._counted_at:
                rows = connection.execute(
                    "SELECT comparison, question, count(*) FROM votes WHERE kind = 'real' "
                    "GROUP BY comparison, question"
                ).fetchall()
                self._counts = Counter({(one, asked): count for one, asked, count in rows})
                self._counted_at = at
            return self._counts.copy()

    def read(self) -> pl.DataFrame:
        """All votes: the columns of ``VOTE_COLUMNS``, ordered by number.

        Raises:
            CorruptPart: the file, or a row, is not what was written.
        """
        with self._using() as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise CorruptPart(
                f"{self.path}: the file of votes is damaged: {found}",
                hint="restore it from a copy; `sqlite3 FILE .recover` finds what is left of one",
            )
        rows = self._select("ORDER BY number", ())
        columns = {one.name: [getattr(row, one.name) for row in rows] for one in fields(Vote)}
        return pl.DataFrame(columns, schema=_SCHEMA).select(*VOTE_COLUMNS)

    def _select(self, rest: str, values: tuple[str, ...]) -> list[Vote]:
        with self._using() as connection:
            rows = connection.execute(
                f"SELECT {_NAMES}, number, digest FROM votes {rest}", values
            ).fetchall()
        for row in rows:
            if _digest(row[:-2]) != row[-1]:
                raise CorruptPart(
                    f"{self.path}: vote {row[-2]} is not what was written",
                    hint="restore the file from a copy; or delete the row: "
                    f"sqlite3 FILE 'DELETE FROM votes WHERE number = {row[-2]}'",
                )
        return [Vote(*row[:-1]) for row in rows]

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Around a statement: one thread at a time, and SQLite's errors named."""
        with self._lock, naming_database_errors(self.path, _KIND):
            yield self._connection


_SCHEMA = {one.name: VOTE_COLUMNS[one.name] for one in fields(Vote)}


def read_votes(path: Path) -> pl.DataFrame:
    """All votes of the file at ``path``; see :meth:`Votes.read`.

    Raises:
        WorkspaceError: there is none, or it is another kind of file.
        NewerSchema: a later synpic wrote it.
        CorruptPart: the file, or a row, is not what was written.
    """
    with closing(Votes(path)) as votes:
        return votes.read()


def verify_votes(path: Path) -> pl.DataFrame:
    """:func:`read_votes`, once SQLite has checked all of the file; raises as that."""
    require_whole(path, _KIND)
    return read_votes(path)


def _digest(values: tuple[object, ...]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
