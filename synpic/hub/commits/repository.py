"""A repository on the Hub and one of its branches, as far as a publisher needs them.

Everything goes through ``huggingface_hub``; what can go wrong comes back as one of synpic's errors.
The token is the client's (``HF_TOKEN``, or of ``hf auth login``) unless one is given. It is handed
on and never kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

from synpic.errors import HubUnreachable, PublishError, SynpicError
from synpic.hub.answers import plain, redact, status_of, transient
from synpic.hub.client import Refs, Stored, commit_of, commits_of, refs_of, tree_of
from synpic.hub.errors import Subject, explain, is_of_the_hub
from synpic.hub.names import endpoint, page_of, shown_endpoint
from synpic.hub.retry import Patience, PatientAttempts, ask

__all__ = ["Head", "Remote", "blob_id", "hashes_of"]

T = TypeVar("T")

_OF_THE_CLIENT = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, OSError)
"""What the client raises where an answer, or a file to be sent, is not as it expects."""


@dataclass(frozen=True)
class Head:
    """A commit and its files by path."""

    commit: str
    files: Mapping[str, Stored]


def blob_id(data: bytes) -> str:
    """The id that git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def hashes_of(file: Path, described: Mapping[str, Any]) -> Sequence[str]:
    """The hashes by which the Hub may know ``file``: as a large one, as a small one.

    Args:
        described: its ``bytes`` and ``sha256``.
    """
    digest = hashlib.sha1(b"blob %d\0" % described["bytes"], usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return described["sha256"], digest.hexdigest()


class Remote:
    """``owner/name`` at ``branch``; ``kind`` is "dataset" or "model"."""

    def __init__(
        self,
        repository: str,
        branch: str = "main",
        token: str | None = None,
        patience: Patience | None = None,
        kind: str = "dataset",
    ) -> None:
        from huggingface_hub import HfApi

        self.repository, self.branch, self.kind = repository, branch, kind
        self.patience = patience or Patience()
        self._api = HfApi(endpoint=endpoint(), token=token)
        self._token = token

    @property
    def page(self) -> str:
        """Where people look at it."""
        return page_of(self.repository, self.kind)

    def at(self, branch: str) -> Remote:
        """The same repository at another branch."""
        return Remote(self.repository, branch, self._token, self.patience, self.kind)

    def require_write(self) -> bool:
        """Make sure that this token may write here, before any work; whether it is there.

        Raises:
            PublishError: there is no token, or it may not; the name is none of a repository.
            HubUnreachable: the Hub did not answer.
        """
        from huggingface_hub import get_token

        if self.repository.count("/") != 1:
            raise PublishError(
                f"{self.repository!r} is no name of a {self.kind} on the Hub",
                hint="write owner/name"
                + ("; a folder is published with --to" if self.kind == "dataset" else ""),
            )
        if (self._token or get_token()) is None:
            raise PublishError(
                f"{self.repository}: there is no token to publish with",
                hint="run `hf auth login`, or set HF_TOKEN to one that may write",
            )
        who = self._ask("asking who the token belongs to", self._api.whoami)
        auth = who.get("auth", {}).get("accessToken", {})
        if auth.get("role") == "read":
            raise PublishError(
                f"{self.repository}: the token of {who.get('name')!r} may only read",
                hint=f"make one that may at {shown_endpoint()}/settings/tokens, "
                "and `hf auth login`",
            )
        if not self.exists():
            owner = self.repository.partition("/")[0]
            known = [who.get("name"), *(org.get("name") for org in who.get("orgs", []))]
            if owner not in known:
                raise PublishError(
                    f"{self.repository}: {who.get('name')!r} may not make {self.kind}s of "
                    f"{owner!r}",
                    hint=f"the token's user and organisations: {', '.join(map(str, known))}",
                )
            return False
        self._ask(
            "asking whether the token may write",
            lambda: self._api.auth_check(self.repository, repo_type=self.kind, write=True),
        )
        return True

    def exists(self) -> bool:
        """Whether the repository is there, and to be seen with this token."""
        return bool(
            self._ask(
                f"looking for the {self.kind}",
                lambda: self._api.repo_exists(self.repository, repo_type=self.kind),
            )
        )

    def create(self, *, private: bool | None) -> None:
        """Make the repository, and the branch, unless they are there."""
        self._ask(
            f"making the {self.kind}",
            lambda: self._api.create_repo(
                self.repository, repo_type=self.kind, private=private, exist_ok=True
            ),
        )
        if self.branch != "main":
            self.make_branch()

    def head(self) -> Head:
        """The commit of the branch, with its files."""
        return self.at_commit(commit_of(self.subject("reading what is there"), self.patience))

    def at_commit(self, commit: str) -> Head:
        """``commit``, which is the id of one, with its files."""
        subject = replace(self.subject("reading what is there"), revision=commit)
        return Head(commit, tree_of(subject, self.patience))

    def parent(self, commit: str) -> str | None:
        """The commit before ``commit``; None if it is the first."""
        history = self._history(commit)
        return history[1] if len(history) > 1 else None

    def child(self, commit: str, later: str) -> str | None:
        """The commit after ``commit`` in the history of ``later``; None if it is not in it."""
        history = self._history(later)
        place = history.index(commit) if commit in history else 0
        return history[place - 1] if place else None

    def _history(self, commit: str) -> list[str]:
        """``commit`` and those before it, the latest first."""
        subject = replace(self.subject("reading its history"), revision=commit)
        return list(commits_of(subject, self.patience))

    def refs(self) -> Refs:
        """Branches and tags as they are now."""
        return refs_of(self.subject("reading branches and tags"), self.patience)

    def tagged(self, name: str) -> str | None:
        """The commit that the tag ``name`` stands for; None if there is no such tag."""
        if name not in self.refs().tags:
            return None
        subject = replace(self.subject(f"reading the tag {name}"), revision=name)
        return commit_of(subject, self.patience)

    def has_in_history(self, commit: str, head: str) -> bool:
        """Whether ``commit`` is ``head`` or comes before it."""
        return commit == head or commit in self._history(head)

    def make_branch(self, commit: str | None = None) -> None:
        """Make the branch unless it is there: at ``commit``, or at ``main``."""
        self._ask(
            f"making the branch {self.branch}",
            lambda: self._api.create_branch(
                self.repository,
                repo_type=self.kind,
                branch=self.branch,
                revision=commit,
                exist_ok=True,
            ),
        )

    def read(self, path: str, commit: str) -> bytes:
        """A small file of a commit."""
        from huggingface_hub import HfFileSystem

        # Not hf_hub_download: what is read must be the Hub's word, and no cache's.
        files = HfFileSystem(
            endpoint=endpoint(),
            token=self._token,
            skip_instance_cache=True,
            use_listings_cache=False,
        )
        name = f"{self.prefix}{self.repository}@{commit}/{path}"
        data: bytes = self._ask(f"reading {path}", lambda: files.cat_file(name))
        return data

    def is_there(self, head: Head, path: str, described: Mapping[str, Any]) -> bool:
        """Whether ``head`` has a file of the described ``sha256`` and ``bytes`` at ``path``."""
        stored = head.files.get(path)
        if stored is None or stored.bytes != described["bytes"]:
            return False
        if len(stored.oid) == 64:
            return bool(stored.oid == described["sha256"])
        # Small files are known by git's hash: what they hold has to be read.
        found = hashlib.sha256(self.read(path, head.commit)).hexdigest()
        return bool(found == described["sha256"])

    def commit_once(
        self, operations: Sequence[Any], *, parent: str, message: str, description: str = ""
    ) -> str:
        """One commit on top of ``parent`` and of nothing else: its id. Tries once.

        Raises:
            Exception: as ``huggingface_hub`` does; the commit may have been made nevertheless.
        """
        with self.patience.watching(self.subject(f"committing to {self.branch}")):
            made = self._api.create_commit(
                self.repository,
                operations=list(operations),
                commit_message=message,
                commit_description=description,
                repo_type=self.kind,
                revision=self.branch,
                parent_commit=parent,
            )
        return str(made.oid)

    def tag(self, name: str, commit: str) -> None:
        """Tag ``commit``; a tag that stands for it already is left as it is.

        Raises:
            PublishError: it stands for another commit.
        """
        tagged_commit = self.tagged(name)
        if tagged_commit is None:
            try:
                self._ask(
                    f"tagging {name}",
                    lambda: self._api.create_tag(
                        self.repository,
                        tag=name,
                        revision=commit,
                        repo_type=self.kind,
                    ),
                )
                return
            except HubUnreachable as error:
                raise self._untagged(name, commit, error) from error
            except PublishError as error:
                # A lost answer, or a tag of another publisher: the Hub knows which of them.
                tagged_commit = self.tagged(name)
                if tagged_commit is None:
                    raise self._untagged(name, commit, error) from error
        if tagged_commit != commit:
            raise PublishError(
                f"{self.repository}: the tag {name} stands for commit {tagged_commit[:8]}, not for "
                f"{commit[:8]}",
                hint="tags are never moved; publish under another version",
            )

    def subject(self, what: str) -> Subject:
        """What is being done here, for messages: "tagging v1.0.0"."""
        return Subject(
            self.repository,
            self.branch,
            self.kind,
            PublishError,
            doing=what,
            unanswered="everything sent so far is kept; run the same command again later",
            token=self._token,
        )

    def _untagged(self, name: str, commit: str, error: SynpicError) -> SynpicError:
        kind = "" if self.kind == "model" else f" --repo-type {self.kind}"
        return type(error)(
            f"{error.message}. The release is there, as commit {commit} of {self.branch!r}; only "
            f"the tag {name} is missing",
            hint="publish again when the tag may be set, or set it: `hf repos tag create "
            f"{self.repository} {name} --revision {commit}{kind}`",
        )

    def begin(self, what: str) -> PatientAttempts:
        """Attempts at ``what``, which is tried again by the caller."""
        return self.patience.begin(self.subject(what))

    def ask(self, what: str, act: Callable[[], T]) -> T:
        """``act()``, which asks the client; by the policy of ``patience``, errors explained.

        Args:
            what: is being done, for messages: "tagging v1.0.0".

        Raises:
            PublishError: the Hub refused.
            HubUnreachable: it did not answer.
        """
        return self._ask(what, act)

    @property
    def api(self) -> Any:
        """The client."""
        return self._api

    @property
    def token(self) -> str | None:
        """The token that was given; None for the one that is logged in."""
        return self._token

    @property
    def prefix(self) -> str:
        """Of its name in addresses: those of models have none."""
        return "" if self.kind == "model" else f"{self.kind}s/"

    def explain(self, what: str, error: Exception) -> Exception:
        """What the client raised, in synpic's words; to be raised by the caller."""
        explained = explain(error, self.subject(what))
        if explained is None and isinstance(error, _OF_THE_CLIENT):
            return self._not_taken(what, error)
        return explained or error

    def _not_taken(self, what: str, error: Exception) -> PublishError:
        """The client's own words for what it or the Hub does not take."""
        bare = isinstance(error, LookupError | TypeError | AttributeError)
        text = f"{type(error).__name__}: {error}" if bare else str(error)
        words = plain(redact(text, self._token))
        return PublishError(f"{self.repository}: {what}: {words}", hint=f"see {self.page}")

    def _ask(self, what: str, act: Callable[[], T]) -> T:
        def in_its_words() -> T:
            try:
                return act()
            except (JSONDecodeError, RecursionError):  # of an answer that is none of the Hub's
                raise
            except (ValueError, RuntimeError) as error:
                if status_of(error) is not None or is_of_the_hub(error) or transient(error):
                    raise
                if explain(error, self.subject(what)) is not None:
                    raise
                raise self._not_taken(what, error) from error

        return ask(self.subject(what), in_its_words, self.patience)
