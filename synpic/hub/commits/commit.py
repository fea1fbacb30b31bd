"""One commit, on the head it was made for: sent, recognised if its answer was lost, or given up.

The Hub takes a commit whole or not at all, and ``parent_commit`` makes it refuse one that was made
for an older head. What is left is to find out what happened when no answer comes, and whether a
commit of somebody else's in between concerns us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synpic.errors import PublishError
from synpic.hub.answers import status_of, transient
from synpic.hub.client import Stored
from synpic.hub.commits.repository import Head, Remote

__all__ = ["CONFLICTS", "Change", "commit_onto"]

CONFLICTS = frozenset({409, 412})
"""409: another commit is in progress. 412: the head has moved."""

_MOVES = 8
"""How often the head may move before a commit is given up."""


@dataclass(frozen=True, eq=False)
class Change:
    """What a commit makes of a branch.

    Args:
        additions: the client's operations that add or copy files.
        wanted: path → the hashes by which the Hub may know the file afterwards (as a large file, as
            a small one), for every file that has to be there; those unchanged included.
        deleted: paths that must not be there afterwards.
        message, description: of the commit.
    """

    additions: Sequence[Any]
    wanted: Mapping[str, Sequence[str]]
    deleted: Sequence[str]
    message: str
    description: str = ""

    @property
    def operations(self) -> list[Any]:
        """All of it for the client."""
        from huggingface_hub import CommitOperationDelete

        return [*self.additions, *(CommitOperationDelete(path_in_repo=p) for p in self.deleted)]

    def missing(self, head: Head) -> list[str]:
        """The paths that are at ``head`` not as they are afterwards."""
        files = head.files
        return [path for path in self.deleted if path in files] + [
            path
            for path, hashes in self.wanted.items()
            if path not in files or files[path].oid not in hashes
        ]


def commit_onto(
    remote: Remote,
    head: Head,
    change: Change,
    require: Callable[[Head], None] = lambda head: None,
) -> str:
    """Commit ``change`` on top of ``head``, or of a later one that left its files alone.

    Args:
        require: called with a later head that left those files alone; it raises where the change
            does not go with the other files there.

    Returns:
        The commit that holds the release.

    Raises:
        PublishError: somebody else changed the same files meanwhile, or the Hub refused.
        HubUnreachable: it did not answer, again and again.
    """
    attempts = remote.begin("committing")
    moves = 0
    while True:
        try:
            return remote.commit_once(
                change.operations,
                parent=head.commit,
                message=change.message,
                description=change.description,
            )
        except Exception as error:
            # The client's errors have no common ancestor; each kind is handled here.
            if not transient(error) and status_of(error) not in CONFLICTS:
                raise remote.explain("committing", error) from error
            # Whatever was answered, or not: what counts is what is there.
            now = remote.head()
            if not change.missing(now):
                return _own(remote, head, now, change)
            if _touched(head, now, {*change.wanted, *change.deleted}):
                raise PublishError(
                    f"{remote.repository}: another commit changed this release's files meanwhile "
                    f"(commit {now.commit[:8]}, after {head.commit[:8]})",
                    hint=f"look at {remote.page}/commits/{remote.branch}, then publish again",
                ) from error
            if now.commit != head.commit:
                require(now)
            if now.commit == head.commit or status_of(error) not in CONFLICTS:
                attempts.wait(error)
            else:
                moves += 1
                if moves >= _MOVES:
                    raise PublishError(
                        f"{remote.repository}: the head moved {moves} times before this commit",
                        hint="publish again when others are done",
                    ) from error
            head = now


def _own(remote: Remote, head: Head, now: Head, change: Change) -> str:
    """The commit after ``head`` if it holds ``change``, and not one of others on top of it."""
    first = remote.child(head.commit, now.commit)
    if first in (None, now.commit) or change.missing(remote.at_commit(first)):
        return now.commit
    return first


def _touched(before: Head, after: Head, ours: set[str]) -> bool:
    none = Stored("", 0)
    return any(before.files.get(path, none) != after.files.get(path, none) for path in ours)
