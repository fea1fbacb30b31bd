"""What is kept of one rater: written out, or deleted for good."""

from __future__ import annotations

from contextlib import closing

import polars as pl

from synpic.errors import WorkspaceError
from synpic.study.assignments import Assignments
from synpic.study.definition import Study, folder_of, votes_path
from synpic.study.own_votes import read_votes_of
from synpic.workspace import Workspace
from synpic.workspace.votes import Votes

__all__ = ["delete_rater", "votes_of_rater"]


def votes_of_rater(workspace: Workspace, study: Study, rater: str) -> pl.DataFrame:
    """The votes of one rater, as ``votes.db`` has them.

    Raises:
        WorkspaceError: there is no such rater, or the votes are of another study.
    """
    votes = read_votes_of(workspace, study)
    rows = votes.filter(pl.col("rater") == rater)
    if rows.is_empty():
        raise _unknown(study, rater)
    return rows


def delete_rater(workspace: Workspace, study: Study, rater: str) -> int:
    """Delete all that is kept of one rater, and return how many votes that were.

    It may be done while the study is served.

    Raises:
        WorkspaceError: there is no such rater.
        StorageError: it is deleted, but bytes of it are still in the log of a file.
    """
    path = votes_path(workspace, study.name)
    file = folder_of(workspace, study.name) / "assignments.db"
    with closing(Assignments(file)) as assignments, Votes(path) as votes:
        try:
            shown = assignments.delete_rater(rater)
        finally:  # where one log cannot be emptied, the rows of both files are gone all the same
            count = votes.delete_rater(rater)
    if count == shown == 0:
        raise _unknown(study, rater)
    return count


def _unknown(study: Study, rater: str) -> WorkspaceError:
    return WorkspaceError(
        f"study {study.name!r} has no rater {rater!r}",
        hint="`synpic study raters` lists them; a rater finds the own number under Keys (?)",
    )
