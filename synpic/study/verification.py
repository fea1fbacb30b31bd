"""Reading studies to their last byte: their files, and whether votes fit what was asked.

Nothing makes votes again: what is wrong with them is reported by name, and they are not set aside.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from synpic.errors import NewerSchema, SynpicError, WorkspaceError
from synpic.readers.display import count
from synpic.study.assignments import verify_assignments
from synpic.study.choices import choices_of
from synpic.study.definition import Study, open_study
from synpic.workspace import Workspace, tables
from synpic.workspace.verification import Damage, Verification
from synpic.workspace.votes import verify_votes

__all__ = ["verify_studies", "verify_with_studies"]

_EXAMPLES = 3
"""How many ids a line names."""

_FILES = ("study.json", "votes.db", "assignments.db")


def verify_with_studies(
    workspace: Workspace, on_progress: Callable[[int, int], None] | None = None
) -> Verification:
    """``Workspace.verify``, and :func:`verify_studies`; raises as the first."""
    parts = workspace.verify(on_progress)
    studies = verify_studies(workspace)
    return Verification(
        parts.files + studies.files,
        parts.bytes + studies.bytes,
        [*parts.damaged, *studies.damaged],
        [*parts.remarks, *studies.remarks],
    )


def verify_studies(workspace: Workspace) -> Verification:
    """Read every study of ``workspace``: what it asks, its votes, and what was shown to whom.

    SQLite checks its files, each vote is held to its hash and to the comparison that it names.
    Remarks are of votes on images that the workspace does not hold.

    Raises:
        NewerSchema: a later synpic wrote one of the files.
        StorageError: the folder cannot be read.
    """
    made = Verification(0, 0, [])
    # Votes are in SQLite, which needs a folder of this machine.
    for name in workspace.store.list("study") if workspace.store.is_local else ():
        there = [file for file in _FILES if workspace.store.exists(_place(name, file))]
        damaged = list(_verify(workspace, name, there, made.remarks))
        made = Verification(
            made.files + len(there),
            made.bytes + sum(workspace.store.size(_place(name, file)) for file in there),
            [*made.damaged, *damaged],
            made.remarks,
        )
    return made


def _verify(
    workspace: Workspace, name: str, there: Sequence[str], remarks: list[str]
) -> Iterator[Damage]:
    """What is wrong with one study, file by file."""
    study: Study | None = None

    def check_study() -> None:
        nonlocal study
        study = open_study(workspace, name)

    def check_votes() -> None:
        path = Path(workspace.store.path(_place(name, "votes.db")))
        votes = verify_votes(path)
        if study is not None:
            _require_known(study, votes, path)
        remarks.extend(_not_held(workspace, votes, path))

    def check_assignments() -> None:
        verify_assignments(Path(workspace.store.path(_place(name, "assignments.db"))))

    checks = {
        "study.json": check_study,
        "votes.db": check_votes,
        "assignments.db": check_assignments,
    }
    for file in _FILES:
        if file in there or (file == "study.json" and there):
            try:
                checks[file]()
            except NewerSchema:
                raise
            except SynpicError as error:
                reason = f"{error.message}; {error.hint}" if error.hint else error.message
                yield Damage(_place(name, file), reason, irreplaceable=True)


def _require_known(study: Study, votes: pl.DataFrame, where: Path) -> None:
    """Hold votes to the images and comparisons of their study.

    Raises:
        WorkspaceError: naming the first votes that are of others.
    """
    every = [*study.by_id, *study.checks_by_id]
    shown = {image.candidate_id for one in every for image in study.pictures_of(one)}
    unknown = [
        f"vote {number} names candidate {candidate}"
        for number, *sides in votes.select("number", "left", "right").iter_rows()
        for candidate in sides
        if candidate not in shown
    ]
    if unknown:
        raise WorkspaceError(
            f"{where}: {_first(unknown)}: study {study.name} does not show it",
            hint="restore the file from a copy, or study.json of the study that was answered",
        )
    choices_of(study, votes, str(where))


def _not_held(workspace: Workspace, votes: pl.DataFrame, where: Path) -> list[str]:
    """A line on the images of votes that no part here holds."""
    named = {*votes["left"], *votes["right"]}
    try:
        parts = [part for one in workspace.folders("candidates") for part in workspace.parts(one)]
        held = set(workspace.read(parts, tables.CANDIDATES, ["candidate_id"])["candidate_id"])
    except SynpicError:  # a damaged part is named on its own
        return []
    missing = sorted(named - held)
    if not missing:
        return []
    which = votes.filter(pl.col("left").is_in(missing) | pl.col("right").is_in(missing))
    return [
        f"{where}: {count(which.height, 'vote')} of {votes.height:,} name candidates that no part "
        f"here holds: {_first(missing)}"
    ]


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _EXAMPLES:,} more" if len(names) > _EXAMPLES else ""
    return ", ".join(names[:_EXAMPLES]) + more


def _place(name: str, file: str) -> str:
    return posixpath.join("study", name, file)
