"""Files that others published outside the Hub: fetched where they lie, held to a hash, kept.

None comes with synpic. A file lies in a public repository at a commit, or in a wheel of a package
index; what was fetched once is in the cache, by its hash.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import urllib.request
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from synpic.errors import SynpicError
from synpic.hub.user_cache import user_cache
from synpic.readers.display import size

__all__ = ["PublishedFile", "fetch_published", "kept_published"]

SECONDS = 60
"""That a download may stand still."""

MOST_BYTES = 50_000_000
"""Of one download."""

WAITS = (1.0, 4.0)
"""Seconds before each further attempt at a download that broke off, or was put off."""

_LATER = {408, 429, 500, 502, 503, 504}
"""Statuses after which another attempt may succeed."""


@dataclass(frozen=True)
class PublishedFile:
    """A file that an upstream published.

    Args:
        url: at a commit, where it lies in a repository; of the archive, where it lies in one.
        sha256: of the file, where it has been seen.
        member: its path in a wheel.
        git_blob: the SHA-1 by which a commit of Git names its content, where only that is known.
    """

    url: str
    sha256: str | None = None
    member: str | None = None
    git_blob: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether its content is known."""
        return self.sha256 is not None or self.git_blob is not None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.member} of {self.url}" if self.member else self.url

    @property
    def name(self) -> str:
        """Of its file."""
        return (self.member or self.url).rpartition("/")[2]

    def is_content(self, data: bytes) -> bool:
        """Whether ``data`` is what the file holds, as far as that is known."""
        if self.sha256 is not None and _hash(data) != self.sha256:
            return False
        return self.git_blob is None or _git_blob(data) == self.git_blob


def fetch_published(
    file: PublishedFile, *, what: str, error: type[SynpicError], hint: str
) -> bytes:
    """What the file holds; from the cache where it is there.

    Args:
        what: what it is, for messages: "the picture whose score was published".
        error: what is raised.
        hint: what to do where it cannot be downloaded.

    Raises:
        SynpicError: an ``error``: it is not found, or is another.
    """
    if (there := kept_published(file)) is not None:
        return there
    kept = _cached(file)
    try:
        data = _download(file.url)
    except (OSError, HTTPException) as raised:  # URLError is of the former's family
        reason = getattr(raised, "reason", None) or raised
        raise error(f"{file.url} cannot be downloaded: {reason}", hint=hint) from raised
    if file.member is not None:
        data = _unpacked(file, data, error)
    if not file.is_content(data):
        raise error(
            f"{file.place} is not {what}",
            hint="something between here and there changed it; try another network",
        )
    if kept is not None:
        _keep(kept, data)
    return data


def kept_published(file: PublishedFile) -> bytes | None:
    """What the file holds, where it was fetched before; nothing is fetched."""
    kept = _cached(file)
    if kept is not None:
        with suppress(OSError):
            data = kept.read_bytes()
            if file.is_content(data):
                return data
    return None


def _cached(file: PublishedFile) -> Path | None:
    """Where it is kept; nowhere if its content is not known."""
    name = file.sha256 or file.git_blob
    if name is None:
        return None
    return user_cache("files") / name


def _keep(path: Path, data: bytes) -> None:
    """In one step. A cache that cannot be written is none, and no error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(path)


def _download(url: str) -> bytes:
    """All bytes at ``url``; a download that broke off goes on from where it was.

    Raises:
        OSError, HTTPException: what the last attempt failed with.
    """
    data = bytearray()
    for wait in WAITS:
        try:
            return _read_on(url, data)
        except HTTPError as error:
            if error.code not in _LATER:
                raise
        except (TimeoutError, ConnectionResetError, HTTPException):
            pass
        time.sleep(wait)
    return _read_on(url, data)


def _read_on(url: str, data: bytearray) -> bytes:
    """What is missing of ``data``, put to its end, and then all of it."""
    request = urllib.request.Request(url)
    if data:
        request.add_header("Range", f"bytes={len(data)}-")
    answer: Any
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        if getattr(answer, "status", None) != 206:
            data.clear()
        length = answer.headers.get("Content-Length")
        wanted = None if length is None else len(data) + int(length)
        while len(data) < MOST_BYTES and (block := answer.read(1 << 16)):
            data += block
    if wanted is not None and len(data) < min(wanted, MOST_BYTES):
        raise ConnectionResetError(f"it broke off after {size(len(data))} of {size(wanted)}")
    return bytes(data)


def _unpacked(file: PublishedFile, archive: bytes, error: type[SynpicError]) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return opened.read(str(file.member))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, OSError) as raised:
        raise error(
            f"{file.url} does not hold {file.member}: {raised}",
            hint="something between here and there changed it; try another network",
        ) from raised


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_blob(data: bytes) -> str:
    """The name that Git gives a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
