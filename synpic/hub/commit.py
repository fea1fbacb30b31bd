"""One commit, on the head it was made for: sent, recognised if its answer was lost, or given up.

The Hub takes a commit whole or not at all, and ``parent_commit`` makes it refuse one that was made
for an older head. What is left is to find out what happened when no answer comes, and whether a
commit of somebody else's in between concerns us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synpic.errors import PublishError
from synpic.hub.answers import status_of, transient
from synpic.hub.client import Stored
from synpic.hub.repository import Head, Remote

__all__ = ["CONFLICTS", "commit_onto", "deletions", "holds"]

CONFLICTS = frozenset({409, 412})
"""409: another commit is in progress. 412: the head has moved."""

_MOVES = 8
"""How often the head may move before a commit is given up."""


def commit_onto(
    remote: Remote,
    head: Head,
    operations: Sequence[Any],
    wanted: Mapping[str, Sequence[str]],
    gone: Sequence[str],
    message: str,
    description: str,
    fit: Callable[[Head], None] = lambda head: None,
) -> str:
    """Commit ``operations`` on top of ``head``, or of a later one that left our files alone.

    Args:
        wanted: path → the hashes by which the Hub may know the file as it is to be (as a large
            file, as a small one), for every file of the release.
        gone: paths that are to be deleted.
        fit: called with a later head that left our files alone; it raises where the release would
            not go with the other files there.

    Returns:
        The commit that holds the release.

    Raises:
        PublishError: somebody else changed the same files meanwhile, or the Hub refused.
        HubUnreachable: it did not answer, again and again.
    """
    ours = {*wanted, *gone}
    attempts = remote.begin("committing")
    moves = 0
    while True:
        try:
            return remote.commit_once(
                operations, parent=head.commit, message=message, description=description
            )
        except Exception as error:
            # The client's errors have no common ancestor; each is told apart here.
            if not transient(error) and status_of(error) not in CONFLICTS:
                raise remote.explain("committing", error) from error
            # Whatever was answered, or not: what counts is what is there.
            now = remote.head()
            if holds(now, wanted, gone):
                return _own(remote, head, now, wanted, gone)
            if _touched(head, now, ours):
                raise PublishError(
                    f"{remote.repository}: another commit changed this release's files meanwhile "
                    f"(commit {now.commit[:8]}, after {head.commit[:8]})",
                    hint=f"look at {remote.page}/commits/{remote.branch}, then publish again",
                ) from error
            if now.commit != head.commit:
                fit(now)
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


def deletions(paths: Sequence[str]) -> list[Any]:
    """The operations that delete ``paths``, for :func:`commit_onto`."""
    from huggingface_hub import CommitOperationDelete

    return [CommitOperationDelete(path_in_repo=path) for path in paths]


def holds(head: Head, wanted: Mapping[str, Sequence[str]], gone: Sequence[str] = ()) -> bool:
    """Whether ``head`` has every wanted file as it is to be, and none that is to be gone."""
    return not any(path in head.files for path in gone) and all(
        path in head.files and head.files[path].oid in hashes for path, hashes in wanted.items()
    )


def _own(
    remote: Remote, head: Head, now: Head, wanted: Mapping[str, Sequence[str]], gone: Sequence[str]
) -> str:
    """The commit after ``head`` if it holds the release, and not one of others on top of it."""
    first = remote.child(head.commit, now.commit)
    if first in (None, now.commit) or not holds(remote.at_commit(first), wanted, gone):
        return now.commit
    return first


def _touched(before: Head, after: Head, ours: set[str]) -> bool:
    none = Stored("", 0)
    return any(before.files.get(path, none) != after.files.get(path, none) for path in ours)
