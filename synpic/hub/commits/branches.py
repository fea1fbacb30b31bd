"""A branch of its own for a commit that is to be checked before it becomes the head of another.

``stage`` commits to a branch that is made anew from the head; ``promote`` makes the same files the
next commit of the branch that readers use. Large files are on the Hub by then, so that the second
commit only names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from synpic.errors import PublishError
from synpic.hub.answers import status_of, transient
from synpic.hub.commits.commit import CONFLICTS, Change, commit_onto
from synpic.hub.commits.repository import Head, Remote

__all__ = ["delete_branch", "promote", "stage"]

_MISSING = 404


def stage(remote: Remote, branch: str, head: Head, change: Change) -> str:
    """Commit ``change`` to ``branch``, made anew on top of ``head``: the commit.

    What the branch held before is replaced: it is what another publish left, or is about to use. A
    commit stays readable by its id when its branch is gone, so that two publishers at once disturb
    each other no further.

    Raises:
        PublishError: the Hub refused.
        HubUnreachable: it did not answer, again and again.
    """
    staged = remote.at(branch)
    attempts = staged.begin(f"committing to {branch}")
    while True:
        _renew(remote, branch, head.commit)
        try:
            return staged.commit_once(
                change.operations,
                parent=head.commit,
                message=change.message,
                description=change.description,
            )
        except Exception as error:
            # The client's errors have no common ancestor; each kind is handled here.
            status = status_of(error)
            if not transient(error) and status not in {*CONFLICTS, _MISSING}:
                raise staged.explain(f"committing to {branch}", error) from error
            # Whatever was answered, or not: what counts is what is there.
            current = remote.refs().branches.get(branch)
            if current is not None and current != head.commit:
                now = remote.at_commit(current)
                if not change.missing(now):
                    return now.commit
            attempts.wait(error)


def promote(
    remote: Remote, head: Head, staged: Head, change: Change, require: Callable[[Head], None]
) -> str:
    """Make what ``staged`` holds of ``change`` the next commit of the branch: that commit.

    Args:
        remote: at the branch that readers use.
        head: its head, on which ``staged`` was made.
        staged: a commit that :func:`stage` made; its files are named, and not sent again.
        change: ``additions`` is empty.
        require: called with a later head, if another commit came first; it raises where that does
            not go with ``staged``.

    Raises:
        PublishError: as :func:`~.commit.commit_onto`, or what is there is not what was
            committed.
        HubUnreachable: the Hub did not answer, again and again.
    """
    from huggingface_hub import CommitOperationCopy

    copies = [
        CommitOperationCopy(path, path, src_revision=staged.commit)
        for path in change.wanted
        if head.files.get(path) != staged.files[path]
    ]
    commit = commit_onto(remote, head, replace(change, additions=copies), require)
    if change.missing(remote.at_commit(commit)):
        raise PublishError(
            f"{remote.repository}: commit {commit[:8]} of {remote.branch} is not what was sent",
            hint=f"it is not tagged; look at {remote.page}/commits/{remote.branch}",
        )
    return commit


def delete_branch(remote: Remote, branch: str) -> None:
    """Delete ``branch``; one that is gone already is as good.

    Raises:
        PublishError: the Hub refused.
        HubUnreachable: it did not answer.
    """

    def delete() -> None:
        try:
            remote.api.delete_branch(remote.repository, branch=branch, repo_type=remote.kind)
        except Exception as error:  # the client's errors have no common ancestor
            if status_of(error) != _MISSING:
                raise

    remote.ask(f"deleting the branch {branch}", delete)


def _renew(remote: Remote, branch: str, commit: str) -> None:
    """Let ``branch`` be at ``commit``, whatever it was at."""
    attempts = remote.begin(f"making the branch {branch}")
    conflicts = 0
    while (current := remote.refs().branches.get(branch)) != commit:
        if current is not None:
            delete_branch(remote, branch)
        taken = _create(remote, branch, commit)
        if taken is None:
            return
        conflicts += 1
        if conflicts > 1:  # the first may be our own, made though the answer was lost
            attempts.wait(taken)


def _create(remote: Remote, branch: str, commit: str) -> Exception | None:
    """Make ``branch`` at ``commit``; the error if there is one of that name."""

    def create() -> Exception | None:
        try:
            remote.api.create_branch(
                remote.repository, branch=branch, revision=commit, repo_type=remote.kind
            )
        except Exception as error:  # the client's errors have no common ancestor
            if status_of(error) == 409:
                return error
            raise
        return None

    return remote.ask(f"making the branch {branch}", create)
