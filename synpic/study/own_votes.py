"""The votes of a study, and none of another that lay in its folder before."""

from __future__ import annotations

import polars as pl

from synpic.errors import WorkspaceError
from synpic.study.assignments import STUDY, Assignments, fingerprint_of
from synpic.study.choices import choices_of
from synpic.study.definition import Study, folder_of, votes_path
from synpic.workspace import Workspace
from synpic.workspace.votes import Votes, read_votes

__all__ = ["bind_votes", "read_votes_of"]


def read_votes_of(workspace: Workspace, study: Study) -> pl.DataFrame:
    """The votes of ``study``, as :func:`synpic.workspace.votes.read_votes` gives them.

    Raises:
        WorkspaceError: there are none yet, or they were given to another study.
        SynpicError: a file cannot be read.
    """
    path = votes_path(workspace, study.name)
    noted = fingerprint_of(folder_of(workspace, study.name) / "assignments.db")
    if noted not in (None, study.fingerprint):
        raise _of_another(workspace, study)
    return read_votes(path)


def bind_votes(workspace: Workspace, study: Study, votes: Votes, assignments: Assignments) -> None:
    """Note in ``assignments`` that they, and ``votes``, are of ``study``.

    Where no study is noted, each vote has to be of a comparison and a question of this one.

    Raises:
        WorkspaceError: they are of another study.
        SynpicError: a file cannot be read or written.
    """
    noted = assignments.setting(STUDY)
    if noted is None:
        there = votes.read()
        try:
            choices_of(study, there, str(votes.path))
        except WorkspaceError as error:
            raise _of_another(workspace, study) from error
        noted = assignments.setting(STUDY, study.fingerprint)
    if noted != study.fingerprint:
        raise _of_another(workspace, study)


def _of_another(workspace: Workspace, study: Study) -> WorkspaceError:
    folder = folder_of(workspace, study.name)
    return WorkspaceError(
        f"{folder}: votes.db and assignments.db are of another study than study.json",
        hint="put back the study.json that they are of; or, for a new study, move votes.db and "
        f"assignments.db away, with {folder.name}/*.db-wal and *.db-shm where there are any",
    )
