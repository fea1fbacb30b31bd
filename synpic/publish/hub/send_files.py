"""The files of a release on their way to the Hub: packed, sent ahead of the commit, and deleted.

Shards go one after the other, so that one is on the disk at a time; the rest go together.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synpic.errors import PublishError
from synpic.hub.commits.repository import Head, Remote, blob_id, hashes_of
from synpic.hub.commits.uploads import send
from synpic.publish.draft import Draft
from synpic.publish.manifest import describe_file
from synpic.publish.table.shards import ShardFile, count_rows, write_shard
from synpic.readers.display import size
from synpic.release.manifest import File

__all__ = ["Parcel", "send_extra_files", "send_shards"]


@dataclass(eq=False)
class Parcel:
    """What goes into the commit.

    Args:
        files: path → size and SHA-256, as a manifest has them.
        hashes: path → the hashes by which the Hub may know the file.
        operations: the client's additions.
        sent: bytes of files that the Hub did not have, as it says.
    """

    files: dict[str, File] = field(default_factory=dict)
    hashes: dict[str, Sequence[str]] = field(default_factory=dict)
    operations: list[Any] = field(default_factory=list)
    sent: int = 0


def send_shards(
    remote: Remote,
    head: Head,
    draft: Draft,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> Parcel:
    """Pack, send and delete one shard after the other; those that ``head`` has are not sent."""
    on_rows = count_rows(draft.shards, on_progress)
    parcel = Parcel()
    for shard in draft.shards:
        file = folder / shard.path.replace("/", "-")
        _pack(shard, draft, file, on_rows)
        described = describe_file(file)
        parcel.files[shard.path] = described
        stored = head.files.get(shard.path)
        parcel.hashes[shard.path] = hashes_of(file, described.model_dump())
        if stored and stored.oid in parcel.hashes[shard.path]:
            file.unlink()
            continue
        remote.patience.tell(f"sending {shard.path}, {size(described.bytes)}")
        sent = send(remote, {shard.path: file})[shard.path]
        parcel.operations.append(sent.operation)
        parcel.sent += sent.new
        if sent.large:
            file.unlink()
    return parcel


def _pack(shard: ShardFile, draft: Draft, file: Path, on_rows: Callable[[int], None]) -> None:
    free = shutil.disk_usage(file.parent).free
    if shard.bytes > free:
        raise PublishError(
            f"{file.parent}: packing {shard.path} takes {size(shard.bytes)} and the disk "
            f"has {size(free)} free",
            hint="free some room, or set TMPDIR to a folder on another disk",
        )
    try:
        with file.open("wb") as stream:
            write_shard(shard, draft.read, stream, on_rows)
    except OSError as error:
        raise PublishError(
            f"{file} cannot be written: {error.strerror or error}",
            hint="free some room, or set TMPDIR to a folder on another disk",
        ) from error


def send_extra_files(
    remote: Remote, head: Head, parcel: Parcel, files: Mapping[str, bytes]
) -> None:
    """Add what is no shard, path → content."""
    changed: dict[str, Path | bytes] = {}
    for path, data in files.items():
        parcel.hashes[path] = (hashlib.sha256(data).hexdigest(), blob_id(data))
        stored = head.files.get(path)
        if stored is None or stored.oid not in parcel.hashes[path]:
            changed[path] = data
    if not changed:
        return
    for sent in send(remote, changed).values():
        parcel.operations.append(sent.operation)
        parcel.sent += sent.new
