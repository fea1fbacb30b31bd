"""Large files on disk, under their SHA-256, apart for each repository.

A body is written as it arrives and hashed on the way, so that memory does not grow with it. A file
gets its name when it is whole: an upload that breaks leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.hub_server.messages import PIECE, FileRange, Refusal

__all__ = ["Blobs"]


class Blobs:
    """The storage behind the Hub.

    Args:
        folder: where the files go.

    Attributes:
        sent: SHA-256 → bytes that arrived for it, repeated and broken uploads included.
    """

    def __init__(self, folder: Path) -> None:
        self.sent: Counter[str] = Counter()
        self._folder = folder
        self._lock = threading.Lock()

    def get(self, repository: str, sha256: str) -> FileRange | None:
        path = self._path(repository, sha256)
        return FileRange(path, 0, path.stat().st_size) if path.exists() else None

    def receive(self, repository: str, sha256: str, pieces: Iterable[bytes]) -> None:
        """Keep a whole file.

        Raises:
            Refusal: 400, what came has another hash.
        """
        place = self._path(repository, sha256)
        self._accept(*self._write(place, self._counted(sha256, pieces), "sha256"), sha256, place)

    def receive_part(
        self, repository: str, sha256: str, number: int, pieces: Iterable[bytes]
    ) -> str:
        """Keep one part of a file, instead of what was there under that number, and name it."""
        place = self._part(repository, sha256, number)
        name, etag = self._write(place, self._counted(sha256, pieces), "md5")
        name.replace(place.with_name(f"{number}-{etag}"))
        return etag

    def join(self, repository: str, sha256: str, parts: list[tuple[int, str]]) -> None:
        """Make a file of its parts, given as (number, name).

        Raises:
            Refusal: 400, a part is not there, or the whole has another hash.
        """
        paths = [
            self._part(repository, sha256, number).with_name(f"{number}-{etag}")
            for number, etag in parts
        ]
        numbers = [number for number, _ in parts]
        if numbers != list(range(1, len(parts) + 1)) or not all(path.exists() for path in paths):
            raise Refusal(400, "One or more of the specified parts could not be found")
        place = self._path(repository, sha256)
        pieces = (piece for path in paths for piece in FileRange(path, 0, path.stat().st_size))
        self._accept(*self._write(place, pieces, "sha256"), sha256, place)
        shutil.rmtree(paths[0].parent)

    def put(self, repository: str, content: bytes) -> str:
        """Keep ``content``, as if it had been uploaded before, and name it."""
        sha256 = hashlib.sha256(content).hexdigest()
        place = self._path(repository, sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return sha256

    def hold_what(self, other: Blobs) -> None:
        """Take over the files of ``other``, and the count of what arrived there."""
        # Files are replaced, never written to.
        shutil.copytree(other._folder, self._folder, copy_function=os.link, dirs_exist_ok=True)
        self.sent.update(other.sent)

    def forget(self, repository: str) -> None:
        shutil.rmtree(self._folder / repository, ignore_errors=True)

    def _path(self, repository: str, sha256: str) -> Path:
        return self._folder / repository / sha256

    def _part(self, repository: str, sha256: str, number: int) -> Path:
        return self._folder / repository / f"{sha256}.parts" / str(number)

    def _counted(self, sha256: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            with self._lock:
                self.sent[sha256] += len(piece)
            yield piece

    def _write(self, place: Path, pieces: Iterable[bytes], algorithm: str) -> tuple[Path, str]:
        """A new file beside ``place``, and its hash."""
        digest = hashlib.new(algorithm)
        place.parent.mkdir(parents=True, exist_ok=True)
        name = place.with_name(f".{uuid.uuid4().hex}")
        try:
            with name.open("wb", buffering=PIECE) as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
        except BaseException:
            name.unlink()
            raise
        return name, digest.hexdigest()

    def _accept(self, name: Path, found: str, sha256: str, place: Path) -> None:
        if found != sha256:
            name.unlink()
            raise Refusal(400, f"The content has SHA-256 {found}, not {sha256}", "BadDigest")
        name.replace(place)
