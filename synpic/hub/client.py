"""What is asked about a repository: the commit of a name, its tags, history and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from synpic.errors import ReleaseError, SynpicError
from synpic.hub.errors import Subject
from synpic.hub.names import endpoint, parse_name, shown_endpoint
from synpic.hub.questions import commit, content_hash, inner_path
from synpic.hub.retry import Patience, ask

__all__ = [
    "CommitNote",
    "Refs",
    "RemoteFileInfo",
    "Stored",
    "commit_of",
    "commits_of",
    "dataset",
    "files_of",
    "names_of",
    "parse_name",
    "refs_of",
    "resolve",
    "settings",
    "tags_of",
    "token_of",
    "tree_of",
]


def dataset(repository: str, revision: str | None = None, token: str | None = None) -> Subject:
    """A dataset that is read as a release: what goes wrong is a ``ReleaseError``."""
    return Subject(
        repository,
        revision,
        "dataset",
        ReleaseError,
        token=token,
        tags=lambda: _tags(repository, token),
    )


def resolve(repository: str, revision: str | None, token: str | None) -> str:
    """The commit that ``revision`` (None: the default branch) of a dataset is now.

    Raises:
        ReleaseError: there is no such dataset or revision, or it may not be read.
        HubUnreachable: the Hub did not answer.
    """
    return commit_of(dataset(repository, revision, token))


def commit_of(subject: Subject, patience: Patience | None = None) -> str:
    """The commit that the revision of ``subject`` is now.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    api = api_of(subject)

    def look() -> str:
        info = api.repo_info(subject.name, revision=subject.revision, repo_type=subject.kind)
        return commit(info.sha)

    return ask(subject, look, patience)


def tags_of(subject: Subject, patience: Patience | None = None) -> frozenset[str]:
    """The names of a repository's tags; :func:`commit_of` says which commit one stands for.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    return refs_of(subject, patience).tags


@dataclass(frozen=True)
class Refs:
    """The names of a repository's commits.

    Args:
        branches: name → commit.
        tags: names alone. A tag that has a message of its own is an object of git, and the Hub
            lists that object's id in the place of the commit's: see :func:`commit_of`.
    """

    branches: Mapping[str, str]
    tags: frozenset[str]


def refs_of(subject: Subject, patience: Patience | None = None) -> Refs:
    """Branches and tags of a repository as they are now.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    api = api_of(subject)

    def look() -> Refs:
        refs = api.list_repo_refs(subject.name, repo_type=subject.kind)
        return Refs(
            {ref.name: commit(ref.target_commit) for ref in refs.branches},
            frozenset(ref.name for ref in refs.tags if commit(ref.target_commit)),
        )

    return ask(subject, look, patience)


@dataclass(frozen=True)
class CommitNote:
    """A commit, as the history of a repository has it.

    Args:
        date: as ISO 8601 has it, in UTC.
        title: the first line of its message.
    """

    commit: str
    date: str
    title: str


def commits_of(subject: Subject, patience: Patience | None = None) -> dict[str, CommitNote]:
    """The history of the revision of ``subject``, the newest first, by id.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    api = api_of(subject)

    def look() -> dict[str, CommitNote]:
        found = api.list_repo_commits(
            subject.name, repo_type=subject.kind, revision=subject.revision
        )
        return {
            commit(one.commit_id): CommitNote(
                one.commit_id, one.created_at.isoformat(), str(one.title)
            )
            for one in found
        }

    return ask(subject, look, patience)


@dataclass(frozen=True)
class RemoteFileInfo:
    """A file of a commit.

    Args:
        size: in bytes; None if the Hub does not say.
        content: the hash by which the cache knows it; None if the Hub does not say.
    """

    size: int | None
    content: str | None


def files_of(subject: Subject) -> dict[str, RemoteFileInfo]:
    """The files of a repository at the revision of ``subject``: path → size and hash.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    api = api_of(subject)

    def look() -> dict[str, RemoteFileInfo]:
        info = api.repo_info(
            subject.name, revision=subject.revision, repo_type=subject.kind, files_metadata=True
        )
        found: dict[str, RemoteFileInfo] = {}
        for file in info.siblings or []:
            content = file.lfs.sha256 if file.lfs else file.blob_id
            if content is not None:  # the cache has a file of that name
                content = content_hash(content)
            found[inner_path(file.rfilename)] = RemoteFileInfo(file.size, content)
        return found

    return ask(subject, look)


@dataclass(frozen=True)
class Stored:
    """A file of a commit: its size, and the hash by which the Hub knows its content.

    ``oid`` is the SHA-256 of a large file, and git's blob id of a small one.
    """

    oid: str
    bytes: int


def tree_of(subject: Subject, patience: Patience | None = None) -> dict[str, Stored]:
    """The files of a repository at the revision of ``subject``, all with size and hash.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    from huggingface_hub.hf_api import RepoFile

    api = api_of(subject)

    def look() -> dict[str, Stored]:
        tree = api.list_repo_tree(
            subject.name, recursive=True, revision=subject.revision, repo_type=subject.kind
        )
        return {
            inner_path(entry.path): Stored(
                content_hash(entry.lfs.sha256 if entry.lfs else entry.blob_id), entry.size
            )
            for entry in tree
            if isinstance(entry, RepoFile)
        }

    return ask(subject, look, patience)


def names_of(subject: Subject) -> frozenset[str]:
    """The paths of all files of a repository at the revision of ``subject``.

    Raises:
        SynpicError: as :func:`synpic.hub.retry.ask` does.
    """
    api = api_of(subject)

    def look() -> frozenset[str]:
        found = api.list_repo_files(subject.name, revision=subject.revision, repo_type=subject.kind)
        return frozenset(map(inner_path, found))

    return ask(subject, look)


def token_of(given: str | None = None) -> str | None:
    """The token in use: ``given``, else ``HF_TOKEN`` or that of ``hf auth login``; None if none."""
    from huggingface_hub import get_token

    return given or get_token()


def settings() -> dict[str, Any]:
    """Where the Hub and its cache are, as this process has them: for ``synpic env``.

    No token is part of it, and no password of the Hub's address.
    """
    from huggingface_hub import constants

    return {
        "hub": shown_endpoint(),
        "hub_cache": constants.HF_HUB_CACHE,
        "hub_offline": bool(constants.HF_HUB_OFFLINE),
        "hub_token": "present" if token_of() else "none",
    }


def api_of(subject: Subject) -> Any:
    """The client itself, for the Hub of ``HF_ENDPOINT`` as it is now."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint(), token=subject.token)


def _tags(repository: str, token: str | None) -> Sequence[str]:
    """The tags of a dataset, the highest first; none where the Hub does not say."""
    with suppress(SynpicError):  # it would have helped with another error, and must not hide it
        subject = Subject(repository, None, "dataset", token=token)
        return sorted(tags_of(subject, Patience(0)), reverse=True)
    return []
