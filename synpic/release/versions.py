"""Versions of a dataset: what they are called, which comes next, and which there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from synpic.errors import NewerSchema, PublishError, ReleaseError
from synpic.hub.client import CommitNote, commits_of, dataset, resolve, tags_of
from synpic.hub.errors import is_gated
from synpic.release.compare import Level, compare
from synpic.release.manifest import Manifest
from synpic.release.source import open_release, parse_name

__all__ = ["Version", "VersionRow", "suggest", "versions"]

_NUMBER = r"(0|[1-9][0-9]{0,8})"


@dataclass(frozen=True, order=True)
class Version:
    """Major, minor, patch, as semantic versioning has them; ordered as numbers."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read "1.2.0" or "v1.2.0".

        Raises:
            PublishError: it is no version.
        """
        version = cls.of_tag(text if text.startswith("v") else f"v{text}")
        if version is None:
            raise PublishError(
                f"{text!r} is no version",
                hint="a version is three numbers, as 1.2.0, without zeros in front",
            )
        return version

    @classmethod
    def of_tag(cls, tag: str) -> Version | None:
        """The version that a tag stands for; None if it is another kind of tag."""
        found = re.fullmatch(rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}", tag)
        return cls(*map(int, found.groups())) if found else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """What it is called in a repository: "v1.2.0"."""
        return f"v{self}"

    def after(self, level: Level) -> Version:
        """The version that follows a change of this level."""
        if level is Level.MAJOR:
            return Version(self.major + 1, 0, 0)
        if level is Level.MINOR:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)


def suggest(
    old: Manifest | None, new: Manifest, latest: Version | None
) -> tuple[Version, list[str]] | None:
    """The version of a release that is to be, and what changed, a line each.

    Other data (prompts, images, models, rewards, scores) in the same tables is a minor change;
    tables, columns or splits that are gone, and another rule of ranking, are a major one; all else
    is a patch (``synpic.release.compare``).

    Args:
        old: the manifest of the release before; None if there is none, or it cannot be read.
        new: that of the release to be, with or without ``files``.
        latest: the greatest version so far; None if there is none.

    Returns:
        None if nothing changed.
    """
    if old is None:
        if latest is None:
            return Version(1, 0, 0), ["First release."]
        return latest.after(Level.MAJOR), ["What the release before held is not known."]
    changes = compare(old, new)
    if latest is None:
        # Never tagged: it was sent by other means, or killed before its tag was set.
        changed = changes or not old.version
        return (Version(1, 0, 0), ["First release."]) if changed else None
    if not changes:
        return None
    return latest.after(changes[0].level), [change.text for change in changes]


@dataclass(frozen=True)
class VersionRow:
    """A version of a dataset on the Hub.

    Args:
        version: as its tag says.
        commit: what the tag stands for.
        date: of the commit, as ISO 8601 has it, in UTC; None if the Hub does not say.
        prompts, images: that it ranks; None if its manifest does not say, cannot be read, or is of
            a later synpic.
        rows: config → rows, of all splits; None in the same cases.
        message: the title of the commit.
    """

    version: Version
    commit: str
    date: str | None
    prompts: int | None
    images: int | None
    rows: Mapping[str, int] | None
    message: str | None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-like data."""
        return {**vars(self), "version": str(self.version), "tag": self.version.tag}


def versions(repository: str, token: str | None = None) -> list[VersionRow]:
    """The versions of a dataset on the Hub, the greatest first: its tags that are versions.

    Reads a manifest for each, and no table.

    Raises:
        ReleaseError: there is no such dataset, or it may not be read.
        HubUnreachable: the Hub did not answer.
    """
    repository, revision = parse_name(repository)
    if revision is not None:
        raise ReleaseError(
            f"{repository}@{revision} is one version; all of a dataset are listed",
            hint=f"leave @{revision} out",
        )
    subject = dataset(repository, None, token)
    tagged: dict[Version, str] = {}
    for version in filter(None, map(Version.of_tag, tags_of(subject))):
        with suppress(ReleaseError):  # deleted since
            tagged[version] = resolve(repository, version.tag, token)
    known = commits_of(subject) if tagged else {}
    for version, commit in tagged.items():
        if commit not in known:  # on another branch
            known |= commits_of(dataset(repository, version.tag, token))
    return [
        _row(repository, version, tagged[version], known.get(tagged[version]), token)
        for version in sorted(tagged, reverse=True)
    ]


def _row(
    repository: str, version: Version, commit: str, noted: CommitNote | None, token: str | None
) -> VersionRow:
    manifest = None
    try:
        # With the commit in the name, no folder here is taken for it.
        manifest = open_release(f"{repository}@{commit}", token=token).manifest
    except (ReleaseError, NewerSchema) as error:
        # Tagged by hand, before synpic, or by a later one: such a version has no numbers. Of a
        # gated dataset the tags are public, and every file is refused.
        if is_gated(error):
            raise
    return VersionRow(
        version=version,
        commit=commit,
        date=noted.date if noted else None,
        prompts=manifest.counts.kept_prompts if manifest else None,
        images=manifest.counts.kept_candidates if manifest else None,
        rows={name: sum(splits.values()) for name, splits in manifest.records.items()}
        if manifest
        else None,
        message=noted.title if noted else None,
    )
