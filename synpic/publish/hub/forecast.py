"""``synpic publish --dry-run``: what a release would hold and send. Nothing is written or sent.

For the Hub every shard is packed, to no disk, for its hash: that alone says which files are there
already, and it takes as long as reading the images does.
"""

from __future__ import annotations

import difflib
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synpic.hub.commits.repository import Remote, blob_id
from synpic.hub.commits.uploads import SAMPLE, Content, new_bytes
from synpic.publish.card.card import CARD
from synpic.publish.draft import Draft
from synpic.publish.extra_files import extra_files
from synpic.publish.hub.remote_state import RemoteState
from synpic.publish.hub.start import begin
from synpic.publish.manifest import describe_bytes
from synpic.publish.options import DEFAULTS, PublishOptions
from synpic.publish.table.shards import ShardFile, count_rows, write_shard
from synpic.release.manifest import File
from synpic.release.versions import Version
from synpic.workspace import Snapshot, Workspace

__all__ = ["Forecast", "PlannedFile", "forecast"]


_TABLE = b"PAR1\0"
"""How a table begins, which is enough for the Hub to see that it is not text."""


@dataclass(frozen=True)
class PlannedFile:
    """A file of a release to be.

    Args:
        rows: None for what is no table.
        change: to what the Hub has at the head: "new", "changed", "same" or "gone".
    """

    path: str
    rows: int | None
    bytes: int
    change: str


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a publish would do.

    Args:
        repository, version, reasons: as :class:`~synpic.publish.hub.release.HubRelease`.
        exists: whether the repository is there.
        files: of the release, and those that go.
        lost_edits: lines of the card that its writer put where a release does not keep them.
        sent: bytes of the files that the Hub does not have, as it says. Its storage
            cuts files into chunks and takes only new ones, so that less may go over the wire.
        card_diff: the card's changes, as a unified diff.
    """

    repository: str
    exists: bool
    version: Version
    reasons: Sequence[str]
    files: Sequence[PlannedFile]
    sent: int
    card_diff: str
    lost_edits: Sequence[str] = ()


def forecast(
    workspace: Workspace | Snapshot,
    repository: str,
    options: PublishOptions = DEFAULTS,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Forecast:
    """What ``publish_to_hub`` with the same arguments would do; raises as that does."""
    start = begin(workspace, repository, options)
    draft, state, decision, exists = start.draft, start.state, start.decision, start.exists
    repository, remote = start.remote.repository, state.readable(start.remote)
    number, reasons = decision.version, decision.reasons
    if decision.tagged or decision.committed:
        if decision.tagged and exists and start.remote.branch not in state.branches:
            reasons = [
                *reasons,
                f"The branch {start.remote.branch} is made at {number.tag}, commit "
                f"{decision.tagged[:8]}.",
            ]
        return Forecast(repository, exists, number, reasons, _as_they_are(state, draft), 0, "")
    files = _hash_shards(draft, on_progress)
    others = extra_files(
        draft,
        {path: file.described for path, file in files.items()},
        repository=repository,
        version=str(number),
        changes=reasons,
        previous=start.previous,
    )
    for path, data in others.items():
        files[path] = _Packed(describe_bytes(data), blob_id(data), None)
    planned = _compare(files, state)
    return Forecast(
        repository=repository,
        exists=exists,
        version=number,
        reasons=reasons,
        files=planned,
        sent=_new_bytes(remote, planned, files, others)
        if exists
        else sum(file.described.bytes for file in files.values()),
        lost_edits=state.lost_edits(others[CARD]),
        card_diff=_diff(state.card_text(), others[CARD].decode()),
    )


@dataclass(frozen=True)
class _Packed:
    """A file to be: its hash and size, git's hash, and its rows if it is a table."""

    described: File
    blob: str
    rows: int | None


def _new_bytes(
    remote: Remote,
    planned: Sequence[PlannedFile],
    files: Mapping[str, _Packed],
    others: Mapping[str, bytes],
) -> int:
    """Bytes of the changed files that the Hub has not, as it says."""
    changed: dict[str, Content] = {}
    for path in (file.path for file in planned if file.change in ("new", "changed")):
        described = files[path].described
        start = others[path][:SAMPLE] if path in others else _TABLE
        changed[path] = Content(described.sha256, described.bytes, start)
    return new_bytes(remote, changed)


def _hash_shards(
    draft: Draft, on_progress: Callable[[int, int], None] | None
) -> dict[str, _Packed]:
    on_rows = count_rows(draft.shards, on_progress)
    return {shard.path: _hashed(shard, draft, on_rows) for shard in draft.shards}


def _hashed(shard: ShardFile, draft: Draft, on_rows: Callable[[int], None]) -> _Packed:
    sink = _Hashing()
    write_shard(shard, draft.read, sink, on_rows)
    # Tables are large files to the Hub, and known by SHA-256; git's hash needs the size first.
    described = File(sha256=sink.sha256.hexdigest(), bytes=sink.count)
    return _Packed(described, "", shard.records.rows.height)


class _Hashing(io.BytesIO):
    """A file that keeps nothing but the hash and the number of its bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()
        self.count = 0

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.count += len(data)
        return len(data)

    def tell(self) -> int:
        return self.count


def _compare(files: Mapping[str, _Packed], state: RemoteState) -> list[PlannedFile]:
    stored = state.head.files if state.head else {}
    planned: list[PlannedFile] = []
    for path, file in files.items():
        published = stored.get(path)
        if published is None:
            change = "new"
        else:
            change = "same" if published.oid in (file.described.sha256, file.blob) else "changed"
        planned.append(PlannedFile(path, file.rows, file.described.bytes, change))
    return planned + [
        PlannedFile(path, None, stored[path].bytes, "gone") for path in state.gone(files)
    ]


def _as_they_are(state: RemoteState, draft: Draft) -> list[PlannedFile]:
    """The files of a release that is there already."""
    rows = {shard.path: shard.records.rows.height for shard in draft.shards}
    described = state.manifest.files if state.manifest else {}
    return [
        PlannedFile(path, rows.get(path), file.bytes, "same") for path, file in described.items()
    ]


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{CARD} now", f"{CARD} then", lineterm=""
    )
    return "\n".join(lines)
