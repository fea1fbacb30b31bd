"""What a repository holds before a publish, and what follows: which version, and what stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from synpic.errors import NoRelease, PublishError
from synpic.hub.repository import Head, Remote
from synpic.publish.card import CARD
from synpic.publish.previous import NOTHING, Previous, parse_previous
from synpic.release.compare import Level
from synpic.release.manifest import MANIFEST, Manifest, decode_manifest
from synpic.release.versions import Version, suggest

__all__ = ["Decision", "RemoteState", "decide", "target"]

SIBLING = "pickapic"
"""The config that may have a repository of its own, ``<name>-pickapic``, as its default."""


@dataclass(frozen=True, eq=False)
class RemoteState:
    """What is on the Hub before a publish.

    Args:
        head: None if there is no repository yet.
        manifest: of the release at the head, None if it holds none.
        card: the bytes of the card there; empty without one.
        tags: tag → commit.
        latest: the greatest version among the tags.
        released: the manifest of that version; None if it holds none.
    """

    head: Head | None = None
    manifest: Manifest | None = None
    card: bytes = b""
    tags: Mapping[str, str] = field(default_factory=dict)
    latest: Version | None = None
    released: Manifest | None = None

    @classmethod
    def of(cls, remote: Remote) -> RemoteState:
        """What ``remote`` holds now."""
        head, tags = remote.head(), remote.tags()
        latest = max(filter(None, map(Version.of_tag, tags)), default=None)
        return cls(
            head=head,
            manifest=_manifest(remote, head),
            card=remote.read(CARD, head.commit) if CARD in head.files else b"",
            tags=tags,
            latest=latest,
            released=_manifest(remote, remote.head(latest.tag)) if latest else None,
        )

    def previous(self, repository: str) -> Previous:
        """What a new card keeps of the one there: the writer's words, and changes of releases.

        Raises:
            PublishError: it is no text, or was rewritten so that synpic cannot tell what to keep.
        """
        if not self.card:
            return NOTHING
        where = f"{repository}/{CARD}"
        try:
            text = self.card.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PublishError(
                f"{where} is not UTF-8: {error}", hint="mend it on the Hub, then publish again"
            ) from error
        kept = parse_previous(text, where)
        if kept.prose is None and self.manifest is None:
            # A card that somebody wrote before synpic came is all theirs.
            words = text.partition("\n---")[2].partition("\n")[2] if kept.head else text
            if words.strip():
                kept = replace(kept, prose=f"{words.strip()}\n")
        elif kept.prose is None and _sha256(self.card) != self._described(CARD):
            raise PublishError(
                f"{where} was rewritten, and has no place for its writer's words any more",
                hint="put what is to stay between the lines `<!-- synpic:yours -->` and "
                "`<!-- /synpic:yours -->`; the rest of a card is written anew",
            )
        # What was killed before its tag was set never was a release.
        return replace(kept, changes={t: c for t, c in kept.changes.items() if t in self.tags})

    def require_free(self, repository: str, paths: Iterable[str]) -> None:
        """Refuse to write over files that no release of synpic's put there.

        Raises:
            PublishError: naming one.
        """
        ours = {CARD, *(self.manifest.files if self.manifest else ())}
        if self.manifest:
            ours.add(MANIFEST)
        present = self.head.files if self.head else {}
        for path in paths:
            if path in present and path not in ours:
                raise PublishError(
                    f"{repository} holds a {path} that is no part of a release",
                    hint="move it to another name on the Hub, or publish to another dataset",
                )

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
        landed: the commit that holds it, and lacks the tag.
    """

    version: Version
    reasons: Sequence[str]
    tagged: str | None = None
    landed: str | None = None


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
    remote: Remote, state: RemoteState, manifest: Manifest, asked: Version | None
) -> Decision:
    """The version to publish under, what changed, and how much of it is done.

    Compared is with the last release that has a tag, whatever lies at the head.

    Args:
        manifest: of the release to be, without ``files``.
        asked: the user's choice; None for the one that follows.

    Raises:
        PublishError: ``asked`` is taken; tags are never moved.
    """
    change = suggest(state.released, manifest, state.latest)
    if change is not None:
        suggested, reasons = change
    else:
        assert state.latest is not None
        suggested, reasons = state.latest, []
        if asked in (None, suggested) and not _whole(remote, state, state.released, (CARD,)):
            # Somebody changed or deleted tables since: the tag is fine, the branch is not.
            suggested = suggested.after(Level.PATCH)
            reasons = ["Files that had been changed since are as they were."]
    number = asked or suggested
    if number.tag in state.tags:
        commit = remote.head(number.tag)
        if not _is_of(_manifest(remote, commit), manifest):
            raise PublishError(
                f"{remote.repository}: {number.tag} is there already, and a tag is never moved",
                hint=f"publish as {suggested}"
                if suggested.tag not in state.tags
                else "name a later version with --version",
            )
        return Decision(number, reasons, tagged=commit.commit)
    at_head = state.manifest
    if (
        at_head is not None
        and _is_of(at_head, manifest)
        and at_head.version == str(number)
        and _whole(remote, state, at_head)
    ):
        assert state.head is not None
        return Decision(number, reasons, landed=state.head.commit)
    return Decision(number, reasons)


def _is_of(found: Manifest | None, manifest: Manifest) -> bool:
    """Whether the release ``found`` was made from just what ``manifest`` describes."""
    if found is None:
        return False
    return found.with_files(None, {}).as_dict() == manifest.with_files(None, {}).as_dict()


def _whole(
    remote: Remote, state: RemoteState, manifest: Manifest | None, but: Sequence[str] = ()
) -> bool:
    """Whether every file of ``manifest`` is at the head as it says."""
    if manifest is None or state.head is None:
        return False
    return all(
        remote.is_there(state.head, path, described.model_dump())
        for path, described in manifest.files.items()
        if path not in but
    )


def _manifest(remote: Remote, head: Head) -> Manifest | None:
    if MANIFEST not in head.files:
        return None
    data = remote.read(MANIFEST, head.commit)
    try:
        found = decode_manifest(data, f"{remote.repository}/{MANIFEST}")
    except NoRelease:  # another program's
        return None
    return found if isinstance(found, Manifest) else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
