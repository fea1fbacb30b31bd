"""What is kept of one rater: written out, or deleted for good."""

from __future__ import annotations

from contextlib import closing

import polars as pl

from synpic.errors import WorkspaceError
from synpic.study.assignments import Assignments
from synpic.study.definition import Study, folder_of, votes_path
from synpic.workspace import Workspace
from synpic.workspace.votes import Votes, read_votes

__all__ = ["delete_rater", "votes_of_rater"]


def votes_of_rater(workspace: Workspace, study: Study, rater: str) -> pl.DataFrame:
    """The votes of one rater, as ``votes.db`` has them.

    Raises:
        WorkspaceError: there is no such rater.
    """
    votes = read_votes(votes_path(workspace, study.name))
    rows = votes.filter(pl.col("rater") == rater)
    if rows.is_empty():
        raise _unknown(study, rater)
    return rows


def delete_rater(workspace: Workspace, study: Study, rater: str) -> int:
    """Delete all that is kept of one rater, and return how many votes that were.

    It may be done while the study is served.

    Raises:
        WorkspaceError: there is no such rater.
    """
    path = votes_path(workspace, study.name)
    with closing(Assignments(folder_of(workspace, study.name) / "assignments.db")) as assignments:
        shown = assignments.delete_rater(rater)
    with Votes(path) as votes:
        count = votes.delete_rater(rater)
    if count == shown == 0:
        raise _unknown(study, rater)
    return count


def _unknown(study: Study, rater: str) -> WorkspaceError:
    return WorkspaceError(
        f"study {study.name} has no rater {rater!r}",
        hint="`synpic study raters` lists them; a rater finds the own number under Keys (?)",
    )
