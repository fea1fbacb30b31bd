"""What a name of weights or of a dataset resolved to, and what remembers it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Protocol

from pydantic import model_validator

from synpic.hub.names import is_commit
from synpic.readers.json_models import Record

__all__ = ["Kind", "Lock", "LockEntry"]

Kind = Literal["model", "dataset", "folder", "file", "url", "server", "environment"]

_SHA256 = "[0-9a-f]{64}"
_DIGITS = "[0-9a-f]{8,64}"


class LockEntry(Record, extra="forbid"):
    """What one name in the recipe resolved to.

    Args:
        kind: "model" or "dataset" (a repository on the Hub), "folder", "file", or "url" (a file of
            a suite, fetched once; or weights whose name has the first digits of their SHA-256), or
            "server" (a reward of synpic's own server), or "environment" (of Python).
        source: the name as the recipe has it; of a "url", the address; of a "server", its name for
            the reward.
        revision: the branch, tag or commit that was asked for, if any; of a "server", the version.
        identity: the commit of a repository, 40 hex digits; the SHA-256 of a folder's contents, of
            a file's or of what was fetched, 64 hex digits; of weights at an address, the digits in
            their name, 8 or more; of a "server", a SHA-256 of what it says of the reward; of
            an "environment", of the names and versions of its packages.
        stamp: names, sizes and times of a folder's files: while it holds, nothing is hashed again.
    """

    kind: Kind
    source: str
    revision: str | None = None
    identity: str
    stamp: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What the lock finds it by: everything but the answer."""
        return (self.kind, self.source, self.revision)

    @model_validator(mode="after")
    def _check_identity(self) -> LockEntry:
        form, wanted = {
            "folder": (_SHA256, "a SHA-256 (64 hex digits)"),
            "file": (_SHA256, "a SHA-256 (64 hex digits)"),
            "server": (_SHA256, "a SHA-256 (64 hex digits)"),
            "environment": (_SHA256, "a SHA-256 (64 hex digits)"),
            "url": (_DIGITS, "digits of a SHA-256 (8 … 64 hex digits)"),
        }.get(self.kind, ("", "a commit (40 hex digits)"))
        is_one = re.fullmatch(form, self.identity) if form else is_commit(self.identity)
        if not is_one:
            raise ValueError(f"identity: expected {wanted}, found {self.identity[:70]!a}")
        return self


class Lock(Protocol):
    """Names that are resolved already, and where new ones are written."""

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        ...

    def get(self, kind: str, source: str, revision: str | None) -> LockEntry | None:
        """The entry of a name; None if it has not been resolved."""
        ...

    def remember(self, entry: LockEntry) -> LockEntry:
        """Add ``entry``, and give the one that stands: another process may have been first."""
        ...
