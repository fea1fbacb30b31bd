"""A release on the Hub: sent, committed to a branch of its own, loaded there, then to ``main``.

A reader of ``main`` or of a tag sees the old release or the new one, whole, and nothing between: a
release that does not load stays on its branch, ``synpic/<version>``. Killed anywhere and run again,
a publish does what is missing: shards are packed to the same bytes again, and what the Hub has is
not sent twice; a commit that is on its branch, or at ``main`` already, is recognised; a tag that is
missing is set; the branch is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from synpic.errors import PublishError, SynpicError
from synpic.hub.commits.branches import delete_branch, promote, stage
from synpic.hub.commits.commit import Change
from synpic.hub.commits.repository import Head, Remote
from synpic.hub.names import page_of
from synpic.pipeline.ranking import RankedSet
from synpic.publish.atomic_folder import scratch
from synpic.publish.extra_files import extra_files
from synpic.publish.hub.load_check import check_loads
from synpic.publish.hub.remote_state import BRANCHES, Decision, RemoteState
from synpic.publish.hub.send_files import send_extra_files, send_shards
from synpic.publish.hub.start import Start, begin
from synpic.publish.options import DEFAULTS, PublishOptions
from synpic.release.manifest import MANIFEST, Manifest, decode_manifest, encode
from synpic.release.versions import Version
from synpic.workspace import Snapshot, Workspace

__all__ = ["HubRelease", "publish_to_hub"]

_NEW = {".gitattributes"}
"""Files of a repository that was just made."""


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
        return f"{page_of(self.repository, 'dataset')}/tree/{self.version.tag}"

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
    options: PublishOptions = DEFAULTS,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> HubRelease:
    """Rank what ``workspace`` holds and release it as a dataset on the Hub.

    Args:
        repository: owner/name; made if it is not there.
        options: the version, tables, branch and so on.
        on_progress: called with rows packed and rows in all, after each row group.

    Raises:
        PublishError: the token may not write, the version is taken, the repository holds a file
            that would keep the release from loading, another publish came first, or the release
            does not load from its branch; the branch to publish to is as it was then.
        HubUnreachable: the Hub did not answer for too long; run it again.
        SynpicError: as preparing the release does.
    """
    with _adding("nothing was changed on the Hub"):
        start = begin(workspace, repository, options)
    remote, draft, decision = start.remote, start.draft, start.decision
    if start.exists and options.private:
        remote.patience.tell(f"{remote.repository} is there already, and stays as open as it is")
    publishing = _Publishing(start)
    if decision.tagged:
        remote.patience.tell(f"{remote.repository} holds this release already")
        commit, sent = decision.tagged, 0
        if remote.branch not in start.state.branches:
            remote.make_branch(commit)
            remote.patience.tell(f"made the branch {remote.branch} at it, commit {commit[:8]}")
        manifest: Manifest = publishing.manifest_at(commit)
    else:
        commit, manifest, sent = publishing.run(options.private, on_progress)
    publishing.delete_branches()
    return HubRelease(
        repository=remote.repository,
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


def _tell_lost_edits(state: RemoteState, new_card: bytes, tell: Callable[[str], None]) -> None:
    """Name the lines of a card that its writer put where a release does not keep them."""
    lines = state.lost_edits(new_card)
    if lines and state.head:
        tell(
            f"README.md was edited since {state.latest} outside the block that stays; these lines "
            f"are replaced, and remain in commit {state.head.commit[:8]}:"
        )
        for line in lines:
            tell(f"  {line}")


@dataclass(frozen=True, eq=False)
class _Publishing:
    """One release on its way."""

    start: Start

    @property
    def remote(self) -> Remote:
        return self.start.remote

    @property
    def state(self) -> RemoteState:
        return self.start.state

    @property
    def decision(self) -> Decision:
        return self.start.decision

    def run(
        self, private: bool | None, on_progress: Callable[[int, int], None] | None
    ) -> tuple[str, Manifest, int]:
        """Do what is missing: the commit, the manifest there, and bytes that the Hub had not."""
        remote, decision = self.remote, self.decision
        tag, sent = decision.version.tag, 0
        # Until the last commit only the branch of the release changes.
        as_it_was = f"{remote.branch} is as it was; what was sent is kept for the next time"
        with _adding(as_it_was):
            head = self._made(private)
        if decision.committed:
            commit, manifest = decision.committed, self.manifest_at(decision.committed)
            with _adding(f"it is the head of {remote.branch} already, and is not tagged"):
                self._check(commit, manifest)
        else:
            with _adding(as_it_was):
                staged = decision.staged
                if staged is None:
                    staged, sent = self._stage(head, on_progress)
                manifest = self.manifest_at(staged.commit)
            with _adding(
                f"{remote.branch} is as it was; the release is at {remote.page}/tree/"
                f"{decision.branch}, and the next publish replaces that branch"
            ):
                self._check(staged.commit, manifest)
            with _adding(f"the release is on the branch {decision.branch}; publish again"):
                self._require_untaken(head)
                paths = [*manifest.files, MANIFEST]
                commit = promote(
                    remote,
                    head,
                    staged,
                    self._change([], {path: (staged.files[path].oid,) for path in paths}),
                    lambda now: self.start.preflight.require(now, self.state.manifest),
                )
        remote.tag(tag, commit)
        return commit, manifest, sent

    def manifest_at(self, commit: str) -> Manifest:
        """The manifest of a commit that holds the release."""
        where = f"{self.remote.repository}/{MANIFEST}"
        found = decode_manifest(self.remote.read(MANIFEST, commit), where)
        if not isinstance(found, Manifest):
            raise PublishError(
                f"{where} of commit {commit[:8]} is not what was sent",
                hint=f"look at {self.remote.page}/tree/{commit}, then publish again",
            )
        return found

    def delete_branches(self) -> None:
        """Delete the branch of the release, and what a kill left of earlier ones."""
        branch, version = self.decision.branch, self.decision.version
        left = {
            name
            for name in self.state.branches
            if name.startswith(BRANCHES)
            and (number := Version.of_tag(f"v{name.removeprefix(BRANCHES)}"))
            and number <= version
        }
        if not (self.decision.tagged or self.decision.committed):
            left.add(branch)
        for name in sorted(left):
            try:
                delete_branch(self.remote, name)
            except SynpicError as error:  # the release is there; this is tidying
                self.remote.patience.tell(f"the branch {name} is left over: {error.message}")

    def _made(self, private: bool | None) -> Head:
        """The head of the branch, made with its repository where it is not there."""
        if self.state.head and self.remote.branch in self.state.branches:
            return self.state.head
        self.remote.create(private=private)
        head, before = self.remote.head(), self.state.head
        # Another publisher may have made it since it was looked for, minutes ago.
        if head.commit != before.commit if before else head.files.keys() - _NEW:
            raise PublishError(
                f"{self.remote.repository}: another commit came to {self.remote.branch} meanwhile "
                f"({head.commit[:8]})",
                hint=f"look at {self.remote.page}/commits/{self.remote.branch}, then publish again",
            )
        return head

    def _require_untaken(self, head: Head) -> None:
        """Refuse where the tag was set meanwhile, before the branch moves away from ``head``.

        The same release of another publisher, tagged at the branch, is for the commit to find.
        """
        tag = self.decision.version.tag
        tagged_commit = self.remote.tagged(tag)
        now = self.remote.refs().branches.get(self.remote.branch)
        if tagged_commit and (tagged_commit == head.commit or tagged_commit != now):
            raise PublishError(
                f"{self.remote.repository}: the tag {tag} is there already: it was set meanwhile, "
                f"at commit {tagged_commit[:8]}",
                hint="tags are never moved; publish under another version",
            )

    def _stage(
        self, head: Head, on_progress: Callable[[int, int], None] | None
    ) -> tuple[Head, int]:
        """Send everything and commit it to the release's branch: that commit, bytes sent."""
        remote, decision, tell = self.remote, self.decision, self.remote.patience.tell
        with scratch("synpic-publish") as folder:
            parcel = send_shards(remote, head, self.start.draft, folder, on_progress)
            others = extra_files(
                self.start.draft,
                parcel.files,
                repository=remote.repository,
                version=str(decision.version),
                changes=decision.reasons,
                previous=self.start.previous,
            )
            _tell_lost_edits(self.state, others["README.md"], tell)
            send_extra_files(remote, head, parcel, others)
            change = self._change(parcel.operations, parcel.hashes)
            commit = stage(remote, decision.branch, head, change)
        staged = remote.at_commit(commit)
        if missing := change.missing(staged):
            now = remote.head()
            if now.commit != head.commit:
                # The client leaves out of a commit what the branch of readers has got meanwhile.
                raise PublishError(
                    f"{remote.repository}: another commit came to {remote.branch} meanwhile "
                    f"({now.commit[:8]}, after {head.commit[:8]})",
                    hint=f"look at {remote.page}/commits/{remote.branch}, then publish again",
                )
            raise PublishError(
                f"{remote.repository}: commit {commit[:8]} is not what was sent: "
                f"{', '.join(missing)}",
                hint="publish again",
            )
        return staged, parcel.sent

    def _change(self, additions: Sequence[Any], wanted: Mapping[str, Sequence[str]]) -> Change:
        """The release as a commit; files of the one before that it does not have are deleted."""
        return Change(
            additions,
            wanted,
            self.state.gone(wanted),
            f"Release {self.decision.version.tag}",
            "\n".join(self.decision.reasons),
        )

    def _check(self, commit: str, manifest: Manifest) -> None:
        self.remote.patience.tell(f"loading commit {commit[:8]} in a process with empty caches")
        check_loads(self.remote, commit, manifest)


@contextmanager
def _adding(left: str) -> Iterator[None]:
    """Add to the hint of an error how things were left."""
    try:
        yield
    except SynpicError as error:
        error.hint = f"{error.hint}; {left}" if error.hint else left
        raise
