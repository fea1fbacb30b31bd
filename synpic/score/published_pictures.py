"""Pictures whose scores were published: fetched where they lie, held to a hash, kept.

None comes with synpic. A picture lies in a public repository at a commit, or in a wheel of a
package index; what was fetched once is in the cache, by its hash.
"""

from __future__ import annotations

import hashlib
import io
import os
import urllib.request
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from synpic.errors import RewardError

__all__ = ["Picture", "fetch"]

SECONDS = 60
"""That a download may stand still."""

MOST_BYTES = 50_000_000
"""Of one download."""


@dataclass(frozen=True)
class Picture:
    """One that an upstream published.

    Args:
        url: at a commit, where it lies in a repository; of the archive, where it lies in one.
        sha256: of the picture's file, where it has been seen.
        member: its path in a wheel.
    """

    url: str
    sha256: str | None = None
    member: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.member} of {self.url}" if self.member else self.url

    @property
    def name(self) -> str:
        """Of its file."""
        return (self.member or self.url).rpartition("/")[2]


def fetch(picture: Picture) -> bytes:
    """The file, as it was when it was scored; from the cache where it is there.

    Raises:
        RewardError: it is not found, or is another.
    """
    kept = _cached(picture)
    if kept is not None:
        with suppress(OSError):
            data = kept.read_bytes()
            if _hash(data) == picture.sha256:
                return data
    data = _download(picture)
    if picture.member is not None:
        data = _unpacked(picture, data)
    if picture.sha256 and _hash(data) != picture.sha256:
        raise RewardError(
            f"{picture.place} is not the picture whose score was published",
            hint="something between here and there changed it; try another network",
        )
    if kept is not None:
        _keep(kept, data)
    return data


def _cached(picture: Picture) -> Path | None:
    """Where it is kept; nowhere if its content is not known."""
    if picture.sha256 is None:
        return None
    home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(home) if home else Path.home() / ".cache"
    return folder / "synpic" / "pictures" / picture.sha256


def _keep(path: Path, data: bytes) -> None:
    """In one step. A cache that cannot be written is none, and no error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(path)


def _download(picture: Picture) -> bytes:
    try:
        with urllib.request.urlopen(picture.url, timeout=SECONDS) as answer:
            data: bytes = answer.read(MOST_BYTES)
    except (OSError, HTTPException) as error:  # URLError is of the former's family
        reason = getattr(error, "reason", None) or error
        raise RewardError(
            f"{picture.url} cannot be downloaded: {reason}",
            hint="published scores are of pictures that do not come with synpic; connect, and try "
            "again",
        ) from error
    return data


def _unpacked(picture: Picture, archive: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return opened.read(str(picture.member))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, OSError) as error:
        raise RewardError(
            f"{picture.url} does not hold {picture.member}: {error}",
            hint="something between here and there changed it; try another network",
        ) from error


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
