"""A release on the Hub: packed and sent shard by shard, landed in one commit, proved, then tagged.

A reader of the branch or of a tag sees the old release or the new one, and nothing between. Killed
anywhere and run again, a publish does what is missing: shards are packed to the same bytes again,
and what the Hub has is not sent twice; a commit that landed is recognised; a tag that is missing is
set.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synpic.display import size
from synpic.errors import PublishError
from synpic.hub.client import endpoint
from synpic.hub.commit import land
from synpic.hub.repository import Remote, blob_id, hashes_of
from synpic.hub.retry import Patience
from synpic.publish.atomic_folder import scratch
from synpic.publish.draft import Draft, prepare
from synpic.publish.extra_files import extra_files
from synpic.publish.load_check import check_commit
from synpic.publish.manifest import describe_file
from synpic.publish.remote_state import RemoteState, decide, target
from synpic.publish.shards import Limits, Shard, count_rows, write_shard
from synpic.rankings import RankedSet
from synpic.recipe import Flagged
from synpic.release.manifest import MANIFEST, File, Manifest, decode_manifest, encode
from synpic.release.versions import Version
from synpic.workspace import Snapshot, Workspace

__all__ = ["HubRelease", "look", "publish_to_hub"]


@dataclass(frozen=True, eq=False)
class HubRelease:
    """A release that is on the Hub.

    Args:
        repository: owner/name.
        version, commit: it is tagged ``v<version>``, and the tag stands for ``commit``.
        reasons: what changed since the release before.
        ranked: what it was made from.
        rows: config → split → rows.
        files, bytes: of the release, the manifest included.
        sent: bytes of the files among them that the Hub did not have.
        new: False if it was there already, and at most the tag was missing.
    """

    repository: str
    version: Version
    commit: str
    reasons: Sequence[str]
    ranked: RankedSet
    rows: Mapping[str, Mapping[str, int]]
    files: int
    bytes: int
    sent: int
    new: bool

    @property
    def page(self) -> str:
        """Where people look at it."""
        return f"{endpoint()}/datasets/{self.repository}/tree/{self.version.tag}"

    @property
    def load_line(self) -> str:
        """Python that loads the first split of the first config of this very release."""
        config, splits = next(iter(self.rows.items()))
        return (
            f"datasets.load_dataset({self.repository!r}, {config!r}, "
            f"split={next(iter(splits))!r}, revision={self.version.tag!r})"
        )


def publish_to_hub(
    workspace: Workspace | Snapshot,
    repository: str,
    *,
    version: str | None = None,
    configs: Sequence[str] | None = None,
    flagged: Flagged | None = None,
    branch: str = "main",
    private: bool | None = None,
    as_pickapic: bool = False,
    token: str | None = None,
    limits: Limits | None = None,
    patience: Patience | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> HubRelease:
    """Rank what ``workspace`` holds and release it as a dataset on the Hub.

    Args:
        repository: owner/name; made if it is not there.
        version: "1.2.0"; what changed since the release before suggests one if not given.
        configs: which tables; the recipe's where not given.
        flagged: "keep" or "leave-out" images that are flagged; as the recipe says, if None.
        branch: made from ``main`` if it is not there.
        private: for a repository that is made now; one that is there stays as it is.
        as_pickapic: publish the config ``pickapic`` alone, to ``<repository>-pickapic``, where it
            is the default that the stock DPO scripts read.
        token: where not given, ``HF_TOKEN`` or that of ``hf auth login``.
        limits: of shards and row groups.
        patience: with a Hub that says "not now".
        on_progress: told rows packed and rows in all, after each row group.

    Raises:
        PublishError: the token may not write, the version is taken, somebody else published
            meanwhile, or what landed is not what was sent.
        HubUnreachable: the Hub did not answer for too long; run it again.
        SynpicError: as preparing the release does.
    """
    repository, configs = target(repository, configs, as_pickapic)
    asked = None if version is None else Version.parse(version)
    remote = Remote(repository, branch, token, patience)
    there = remote.require_write()
    if there and private:
        remote.patience.tell(f"{repository} is there already, and stays as open as it is")
    draft = prepare(workspace, configs, limits, flagged)
    state = look(remote, there)
    decision = decide(remote, state, draft.manifest, asked)
    previous = state.previous(repository)
    if decision.tagged or decision.landed:
        commit = decision.tagged or decision.landed or ""
        found = decode_manifest(remote.read(MANIFEST, commit), f"{repository}/{MANIFEST}")
        assert isinstance(found, Manifest)
        manifest, sent = found, 0
        remote.patience.tell(f"{repository} holds this release already")
    else:
        if not there or not remote.has_branch():
            remote.create(private=private)
            state = replace(state, head=remote.head())
        with scratch("synpic-publish") as folder:
            parcel = _send_shards(remote, state, draft, folder, on_progress)
            told = extra_files(
                draft,
                parcel.files,
                repository=repository,
                version=str(decision.version),
                changes=decision.reasons,
                previous=previous,
            )
            _send_told(remote, state, parcel, told)
            gone = state.gone(parcel.hashes)
            assert state.head is not None
            commit = land(
                remote,
                state.head,
                [*parcel.operations, *_deletions(gone)],
                parcel.hashes,
                gone,
                f"Release {decision.version.tag}",
                "\n".join(decision.reasons),
            )
        sent_manifest = decode_manifest(told[MANIFEST], MANIFEST)
        assert isinstance(sent_manifest, Manifest)
        manifest, sent = sent_manifest, parcel.sent
    if not decision.tagged:
        remote.patience.tell(f"verifying commit {commit[:8]}")
        check_commit(remote, commit, manifest, token)
        remote.tag(decision.version.tag, commit)
    return HubRelease(
        repository=repository,
        version=decision.version,
        commit=commit,
        reasons=decision.reasons,
        ranked=draft.ranked,
        rows=draft.manifest.records,
        files=len(manifest.files) + 1,
        bytes=sum(file.bytes for file in manifest.files.values()) + len(encode(manifest)),
        sent=sent,
        new=not decision.tagged,
    )


def look(remote: Remote, there: bool) -> RemoteState:
    """What is at the branch, or where a branch that is to be made will begin."""
    if not there:
        return RemoteState()
    if remote.has_branch():
        return RemoteState.of(remote)
    return RemoteState.of(remote.at("main"))


@dataclass(eq=False)
class _Parcel:
    """What goes into the commit.

    Args:
        files: path → size and SHA-256, as a manifest has them.
        hashes: path → the hashes by which the Hub may know the file.
        operations: the client's additions.
        sent: bytes of files that the Hub did not have at the head.
    """

    files: dict[str, File] = field(default_factory=dict)
    hashes: dict[str, Sequence[str]] = field(default_factory=dict)
    operations: list[Any] = field(default_factory=list)
    sent: int = 0


def _send_shards(
    remote: Remote,
    state: RemoteState,
    draft: Draft,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> _Parcel:
    """Pack, send and delete one shard after the other: one at a time is on the disk."""
    on_rows = count_rows(draft.shards, on_progress)
    assert state.head is not None
    head = state.head
    state.require_free(remote.repository, [shard.path for shard in draft.shards])
    parcel = _Parcel()
    known = {stored.oid for stored in head.files.values()}
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
        operation, expendable = remote.send(shard.path, file)
        parcel.operations.append(operation)
        if described.sha256 not in known:
            parcel.sent += described.bytes
        if expendable:
            file.unlink()
    return parcel


def _pack(shard: Shard, draft: Draft, file: Path, on_rows: Callable[[int], None]) -> None:
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


def _send_told(
    remote: Remote, state: RemoteState, parcel: _Parcel, told: Mapping[str, bytes]
) -> None:
    """Add what is no shard."""
    assert state.head is not None
    state.require_free(remote.repository, told)
    for path, data in told.items():
        parcel.hashes[path] = (hashlib.sha256(data).hexdigest(), blob_id(data))
        stored = state.head.files.get(path)
        if stored is None or stored.oid not in parcel.hashes[path]:
            operation, _ = remote.send(path, data)
            parcel.operations.append(operation)
            parcel.sent += len(data)


def _deletions(paths: Sequence[str]) -> list[Any]:
    from huggingface_hub import CommitOperationDelete

    return [CommitOperationDelete(path_in_repo=path) for path in paths]
