"""Reading everything that a workspace holds, to find what is damaged."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.errors import CorruptPart, StorageError
from synpic.workspace.naming import damaged
from synpic.workspace.parts import read_part
from synpic.workspace.sealing import read_sealed
from synpic.workspace.storage import Store

__all__ = ["Damage", "Verification", "verify_files"]

_THREADS = 4
"""A part of candidates takes about 64 MiB of memory, twice."""

_OF_THE_FILE = frozenset({errno.EIO, errno.EISDIR})
"""What the operating system says where one file is lost: a bad sector; a folder in its place."""


@dataclass(frozen=True)
class Damage:
    """A file that does not hold what was written.

    Args:
        file: its name in the workspace.
        reason: what is wrong, with the full path.
        irreplaceable: whether nothing makes its content again, so that it stays where it is.
    """

    file: str
    reason: str
    irreplaceable: bool = False


@dataclass(frozen=True)
class Verification:
    """The result of reading everything.

    Args:
        files, bytes: how much was read.
        remarks: what is whole, and does not fit the rest of the workspace.
    """

    files: int
    bytes: int
    damaged: list[Damage]
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "damaged": [vars(one) for one in self.damaged]}


def verify_files(
    store: Store,
    parts: Mapping[str, pa.Schema],
    sealed: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Read files to their last byte, several at a time.

    Args:
        parts: names of parts, each with the columns that it should have.
        sealed: names of files that hold their own hash.
        on_progress: called with the files read so far, and all of them.

    Raises:
        StorageError: the folder or the disk cannot be read.
        NewerSchema, OlderSchema: another version of synpic wrote one.
    """
    files = [*((name, None) for name in sealed), *parts.items()]
    found: list[Damage] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(lambda file: _reason(store, *file), files)
        for number, ((name, _), reason) in enumerate(zip(files, results, strict=True), 1):
            if reason is not None:
                found.append(Damage(name, reason))
            if on_progress is not None:
                on_progress(number, len(files))
    return Verification(len(files), sum(_size(store, name) for name, _ in files), found)


def _reason(store: Store, name: str, schema: pa.Schema | None) -> str | None:
    """Why a file is damaged; None if it is whole."""
    try:
        if schema is None:
            read_sealed(store, name)
        else:
            _verify_pixels(store, name, read_part(store, name, schema))
    except CorruptPart as error:
        return error.message
    except StorageError as error:
        number = getattr(error.__cause__, "errno", None)
        if number == errno.ENOENT:  # another process has set it aside
            return None
        if number not in _OF_THE_FILE:
            raise
        return error.message
    return None


def _size(store: Store, name: str) -> int:
    try:
        return store.size(name)
    except StorageError:
        return 0


def _verify_pixels(store: Store, name: str, rows: pa.Table) -> None:
    """Hold each image to the hash in its row.

    The hash of the part does not show an image that was wrong before the part was written.

    Raises:
        CorruptPart: naming the first candidate whose image is another.
    """
    if "image" not in rows.column_names:
        return
    # Not combined: an array of 2 GiB of pixels would not fit 32-bit offsets.
    for batch in rows.select(["candidate_id", "image", "sha256"]).to_batches():
        pixels = batch.column("image").field("bytes")
        for at, (candidate, sha256) in enumerate(
            zip(batch.column("candidate_id"), batch.column("sha256"), strict=True)
        ):
            data = pixels[at].as_buffer()
            if data is None or ids.sha256(data) != sha256.as_py():
                raise damaged(store, name, f"image of {candidate.as_py()}")
