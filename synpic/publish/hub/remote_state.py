"""What a repository holds before a publish, and what follows: which version, and what stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from synpic.errors import NoRelease, PublishError, ReleaseError
from synpic.hub.commits.repository import Head, Remote
from synpic.publish.card.card import CARD
from synpic.publish.previous import NOTHING, Previous, decode_card, parse_previous
from synpic.release.compare import Level
from synpic.release.manifest import MANIFEST, Manifest, decode_manifest
from synpic.release.versions import Version, suggest

__all__ = ["BRANCHES", "MAIN", "Decision", "RemoteState", "decide", "require_later", "target"]

SIBLING = "pickapic"
"""The config that may have a repository of its own, ``<name>-pickapic``, as its default."""

BRANCHES = "synpic/"
"""How the names of branches begin that hold a release until it was checked: "synpic/1.2.0"."""

MAIN = "main"


@dataclass(frozen=True, eq=False)
class RemoteState:
    """What is on the Hub before a publish.

    Args:
        head: None if there is no repository yet.
        manifest: of the release at the head, None if it holds none.
        card: the bytes of the card there; empty without one.
        branches: name → commit.
        tags: their names.
        latest: the greatest version among the tags.
        released: the manifest of that version; None if it holds none.
        released_card: the bytes of its card; empty without one.
    """

    head: Head | None = None
    manifest: Manifest | None = None
    card: bytes = b""
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    latest: Version | None = None
    released: Manifest | None = None
    released_card: bytes = b""

    @classmethod
    def of(cls, remote: Remote) -> RemoteState:
        """What the repository of ``remote`` holds now, at its branch; at ``main`` if that is to be
        made."""
        refs = remote.refs()
        at = refs.branches.get(remote.branch) or refs.branches.get(MAIN)
        head = remote.at_commit(at) if at else remote.at(MAIN).head()
        latest = max(filter(None, map(Version.of_tag, refs.tags)), default=None)
        card = _card(remote, head)
        try:
            manifest = _manifest(remote, head)
        except ReleaseError as error:
            error.hint = (
                f"put the {MANIFEST} of its release back, which is in the history at "
                f"{remote.page}/commits/{remote.branch}; or publish to another dataset"
            )
            raise
        released, released_card = None, b""
        tagged_commit = remote.tagged(latest.tag) if latest else None
        if tagged_commit == head.commit:
            released, released_card = manifest, card
        elif latest and tagged_commit:
            tagged = remote.at_commit(tagged_commit)
            released = _released(remote, tagged, latest.tag)
            released_card = _card(remote, tagged)
        return cls(
            head=head,
            manifest=manifest,
            card=card,
            branches=refs.branches,
            tags=refs.tags,
            latest=latest,
            released=released,
            released_card=released_card,
        )

    def previous(self, repository: str) -> Previous:
        """What a new card keeps of the one there: the writer's words, and changes of releases.

        Raises:
            PublishError: it is no text, or was rewritten so that synpic cannot tell what to keep.
        """
        if not self.card:
            return NOTHING
        where = f"{repository}/{CARD}"
        kept = parse_previous(self.card_text(where), where)
        if kept.prose is None and self.manifest is None:
            # A card that somebody wrote before synpic came is all theirs.
            if words := kept.body.strip():
                kept = replace(kept, prose=f"{words}\n")
        elif kept.prose is None and _sha256(self.card) != self._described(CARD):
            raise PublishError(
                f"{where} was rewritten, and has no place for its writer's words any more",
                hint="put what is to stay between the lines `<!-- synpic:yours -->` and "
                "`<!-- /synpic:yours -->`; the rest of a card is written anew",
            )
        # What was killed before its tag was set never was a release.
        return replace(kept, changes={t: c for t, c in kept.changes.items() if t in self.tags})

    def card_text(self, where: str = CARD) -> str:
        """The card there, without a byte order mark; empty without a card.

        Raises:
            PublishError: it is no text.
        """
        return decode_card(self.card, where)

    def lost_edits(self, new_card: bytes) -> list[str]:
        """Lines of the card that were written since the last release and are not in ``new_card``.

        What stands between the marks of the writer's own words stays, and so is none of them.
        """
        if not self.released_card or self.card == self.released_card:
            return []
        before = self.released_card.decode("utf-8-sig", "replace").splitlines()
        stays = {line.strip() for line in [*before, *new_card.decode().splitlines()]}
        now = self.card_text().splitlines()
        return [line for line in now if line.strip() and line.strip() not in stays]

    def readable(self, remote: Remote) -> Remote:
        """``remote`` at a branch that is there: its own, or the one that it is to be made from."""
        return remote if remote.branch in self.branches else remote.at(MAIN)

    def gone(self, paths: Iterable[str]) -> list[str]:
        """Files of the release at the head that are not among ``paths``, the new one's."""
        before = self.manifest.files if self.manifest else {}
        present = self.head.files if self.head else {}
        return sorted((before.keys() & present.keys()) - set(paths))

    def _described(self, path: str) -> str | None:
        described = self.manifest.files.get(path) if self.manifest else None
        return described.sha256 if described else None


@dataclass(frozen=True)
class Decision:
    """What a publish comes to.

    Args:
        version: of the release.
        reasons: what changed since the release before, a line each.
        tagged: the commit that holds this very release under its tag: there is nothing to do.
        committed: the commit that holds it at the branch, and lacks the tag.
        staged: the commit that holds it on its way there, on a branch of its own.
    """

    version: Version
    reasons: Sequence[str]
    tagged: str | None = None
    committed: str | None = None
    staged: Head | None = None

    @property
    def branch(self) -> str:
        """The branch that holds the release until it was checked."""
        return f"{BRANCHES}{self.version}"


def target(
    repository: str, configs: Sequence[str] | None, as_pickapic: bool
) -> tuple[str, Sequence[str] | None]:
    """The repository and the configs that are meant.

    Raises:
        PublishError: ``as_pickapic`` together with configs.
    """
    if not as_pickapic:
        return repository, configs
    if configs:
        raise PublishError(
            f"a {SIBLING} repository holds that config alone", hint="leave --config out"
        )
    return f"{repository}-{SIBLING}", [SIBLING]


def decide(
    remote: Remote,
    state: RemoteState,
    manifest: Manifest,
    asked: Version | None,
    allow_older: bool = False,
) -> Decision:
    """The version to publish under, what changed, and how much of it is done.

    The release is compared with the last one that has a tag, whatever lies at the head.

    Args:
        manifest: of the release to be, without ``files``.
        asked: the user's choice; None for the one that follows.
        allow_older: whether it may be lower than the last one.

    Raises:
        PublishError: ``asked`` is taken (tags are never moved), or lower than the last version.
    """
    change = suggest(state.released, manifest, state.latest)
    if change is not None:
        suggested, reasons = change
    else:
        assert state.latest is not None
        suggested, reasons = state.latest, []
        whole = state.head and _whole(remote, state.head, state.released, (CARD,))
        if asked in (None, suggested) and not whole:
            # Somebody changed or deleted tables since: the tag is fine, the branch is not.
            suggested = suggested.after(Level.PATCH)
            reasons = ["Files that had been changed since are as they were."]
    number = asked or suggested
    if tagged_commit := remote.tagged(number.tag) if number.tag in state.tags else None:
        commit = remote.at_commit(tagged_commit)
        if not _is_of(_released(remote, commit, number.tag), manifest):
            raise PublishError(
                f"{remote.repository}: {number.tag} is there already, and a tag is never moved",
                hint=f"publish as {suggested}"
                if suggested.tag not in state.tags
                else "name a later version with --version",
            )
        _require_on_branch(remote, state, number, commit)
        return Decision(number, reasons, tagged=commit.commit)
    if not allow_older:
        require_later(remote.repository, number, state.latest)
    if state.head is None:
        return Decision(number, reasons)
    if _holds_release(remote, state.head, state.manifest, manifest, number):
        return Decision(number, reasons, committed=state.head.commit)
    decision = Decision(number, reasons)
    at = state.branches.get(decision.branch)
    # What was made on another head may lack what has come to the branch since.
    if at and at != state.head.commit and remote.parent(at) == state.head.commit:
        staged = remote.at_commit(at)
        if _holds_release(remote, staged, _manifest(remote, staged), manifest, number):
            return replace(decision, staged=staged)
    return decision


def _require_on_branch(remote: Remote, state: RemoteState, number: Version, tagged: Head) -> None:
    """Refuse where the branch is there, and lacks a release that is tagged elsewhere.

    Raises:
        PublishError: saying what to do.
    """
    head = state.head
    if head is None or remote.branch not in state.branches:
        return
    same = head.files.get(MANIFEST) == tagged.files.get(MANIFEST)
    if not (same or remote.has_in_history(tagged.commit, head.commit)):
        raise PublishError(
            f"{remote.repository}: {number.tag} is there already, as commit {tagged.commit[:8]}, "
            f"which is not on the branch {remote.branch}",
            hint="leave --version out, or name a later one, to publish to that branch; or name a "
            f"branch that is not there yet, and it is made at {number.tag}",
        )


def require_later(repository: str, version: Version, latest: Version | None) -> None:
    """Refuse a version below the last one.

    Raises:
        PublishError: saying how to publish it anyway.
    """
    if latest is not None and version < latest:
        raise PublishError(
            f"{repository}: {version} is lower than the last version, {latest}",
            hint=f"publish as {latest.after(Level.PATCH)} or later; --allow-older publishes it "
            "the same, and the branch then holds the older one",
        )


def _is_of(found: Manifest | None, manifest: Manifest) -> bool:
    """Whether the release ``found`` was made from just what ``manifest`` describes."""
    if found is None:
        return False
    return found.with_files(None, {}).as_dict() == manifest.with_files(None, {}).as_dict()


def _holds_release(
    remote: Remote, head: Head, found: Manifest | None, manifest: Manifest, version: Version
) -> bool:
    """Whether ``head``, which has the manifest ``found``, is just what is to be published."""
    return (
        found is not None
        and _is_of(found, manifest)
        and found.version == str(version)
        and _whole(remote, head, found)
    )


def _whole(remote: Remote, head: Head, manifest: Manifest | None, but: Sequence[str] = ()) -> bool:
    """Whether every file of ``manifest`` is at ``head`` as it says."""
    return manifest is not None and all(
        remote.is_there(head, path, described.model_dump())
        for path, described in manifest.files.items()
        if path not in but
    )


def _card(remote: Remote, head: Head) -> bytes:
    return remote.read(CARD, head.commit) if CARD in head.files else b""


def _manifest(remote: Remote, head: Head) -> Manifest | None:
    if MANIFEST not in head.files:
        return None
    data = remote.read(MANIFEST, head.commit)
    try:
        found = decode_manifest(data, f"{remote.repository}/{MANIFEST}")
    except NoRelease:  # another program's
        return None
    return found if isinstance(found, Manifest) else None


def _released(remote: Remote, tagged: Head, tag: str) -> Manifest | None:
    """The manifest under a tag, which stays as it is: a damaged one must not end every publish."""
    try:
        return _manifest(remote, tagged)
    except ReleaseError as error:
        remote.patience.tell(f"{tag} cannot be compared with: {error.message}")
        return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
