"""Filling a folder that is to appear whole: the way there, room, refusals, shards."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from synpic.errors import PublishError
from synpic.publish.manifest import describe_file
from synpic.publish.table.shards import Read, ShardFile, count_rows, write_shard
from synpic.readers.display import size
from synpic.release.manifest import File

__all__ = ["explain_refusals", "pack", "require_room", "spell_out", "write_file"]


def spell_out(directory: str | os.PathLike[str]) -> tuple[Path, Path]:
    """``directory`` as its caller sees it, and where that is on the disk.

    Raises:
        PublishError: it cannot be the name of a folder.
    """
    try:
        seen = Path(directory).expanduser()
        return seen, Path(os.path.realpath(seen))
    except (RuntimeError, ValueError) as error:  # no such user; a NUL in it
        raise PublishError(
            f"{os.fspath(directory)!r} cannot be the name of a folder: {error}",
            hint="write its path out",
        ) from error


def pack(
    shards: Sequence[ShardFile],
    read: Read,
    folder: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, File]:
    """Write every shard below ``folder``: path → size and hash.

    Args:
        on_progress: called with rows written and rows in all, after each row group.
    """
    on_rows = count_rows(shards, on_progress)
    files: dict[str, File] = {}
    for shard in shards:
        path = folder / shard.path
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            write_shard(shard, read, stream, on_rows)
            stream.flush()
            os.fsync(stream.fileno())
        files[shard.path] = describe_file(path)
    return files


def write_file(path: Path, data: bytes) -> File:
    """Write one file, making its folder: its size and hash."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return describe_file(path)


def require_room(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk of ``folder`` has no room for.

    Raises:
        PublishError: saying how much is needed and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise PublishError(
            f"{folder.parent}: this takes {size(needed)} and the disk has {size(free)} free",
            hint="free some room, or name a folder on another disk",
        )


@contextmanager
def explain_refusals(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one error that says what to do.

    Raises:
        PublishError: naming ``target``.
    """
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "the disk is full; free some room and run it again",
            errno.EDQUOT: "the quota is used up; free some room and run it again",
        }
        raise PublishError(
            f"{target} cannot be written: {error.strerror or error}",
            hint=hints.get(error.errno or 0, "check who may write there, then run it again"),
        ) from error
