"""``status --verify`` and ``repair`` read studies, and say by name what is wrong with one."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import pytest

from synpic.errors import NewerSchema
from synpic.study.assignments import Assignments, PairToShow
from synpic.study.definition import open_study, write_study
from synpic.study.new import StudyOptions, plan_study
from synpic.study.verification import verify_studies
from synpic.workspace import Workspace
from synpic.workspace.votes import Vote, Votes
from tests.cli.conftest import in_process


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    """A study with six votes, and what was shown."""
    study = plan_study(workspace, StudyOptions(pairs=6)).study
    write_study(workspace, study)
    folder = Path(workspace.store.path("study/study"))
    with closing(Votes(folder / "votes.db", create=True)) as votes:
        for one in study.comparisons:
            sides = one.first.candidate_id, one.second.candidate_id
            votes.append(
                Vote(one.id, "overall", *sides, "left", "r", 900, "real", "2026-01-01T00:00:00Z")
            )
    with closing(Assignments(folder / "assignments.db")) as shown:
        shown.add([PairToShow("r", one.id, "overall", "real", False) for one in study.comparisons])
    return folder


def sql(file: Path, *statements: str) -> None:
    """Run statements as anybody could: the file stays a sound one for SQLite."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for one in statements:
            connection.execute(one)


def flip_rows(file: Path) -> None:
    """Damage pages of rows, past the first."""
    sql(file, "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE")
    data = bytearray(file.read_bytes())
    data[4096:8192] = bytes(4096)
    file.write_bytes(data)


def other_image(file: Path) -> None:
    from synpic.workspace import votes

    with closing(Votes(file)) as there:
        values = list(astuple(there.of_rater("r")[1]))[:-1]
    values[2] = "f" * 32
    sql(
        file,
        f"UPDATE votes SET \"left\" = '{values[2]}', digest = '{votes._digest(tuple(values))}' "
        "WHERE number = 2",
    )


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "pages": ("votes.db", flip_rows, "the file of votes is damaged"),
    "no database": ("votes.db", lambda file: file.write_bytes(b"a" * 9000), "not a file of votes"),
    "row": (
        "votes.db",
        lambda file: sql(file, "UPDATE votes SET answer = 'right' WHERE number = 3"),
        "vote 3 is not what was written",
    ),
    "schema": (
        "votes.db",
        lambda file: sql(file, "ALTER TABLE votes ADD COLUMN more TEXT"),
        "not the tables of a file of votes: votes is missing, or another one",
    ),
    "candidate": ("votes.db", other_image, "vote 2 names candidate " + "f" * 32),
    "assignments": ("assignments.db", flip_rows, "the file of assignments is damaged"),
    "index": (
        "assignments.db",
        lambda file: sql(file, "DROP INDEX by_time"),
        "not the tables of a file of assignments: by_time",
    ),
    "study": (
        "study.json",
        lambda file: file.write_text(file.read_text().replace("overall", "appeal", 1)),
        "study.json",
    ),
    "no study": ("study.json", Path.unlink, "has no study 'study'"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named(workspace: Workspace, folder: Path, kind: str) -> None:
    whole = verify_studies(workspace)
    assert (whole.files, whole.damaged, whole.remarks) == (3, [], [])
    name, do, says = DAMAGES[kind]
    do(folder / name)
    (damage,) = verify_studies(workspace).damaged
    assert damage.file == f"study/study/{name}"
    assert says in damage.reason
    assert damage.irreplaceable


@pytest.mark.parametrize("kind", ["row", "index", "no study"])
def test_commands_leave_a_damaged_study_where_it_is(
    workspace: Workspace, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, do, says = DAMAGES[kind]
    do(folder / name)
    monkeypatch.chdir(workspace.store.root)
    before = (folder / name).read_bytes() if (folder / name).exists() else None
    for words in (["status", "--verify"], ["repair", "--dry-run"], ["repair"]):
        shown = in_process(*words)
        assert shown.exit_code == 4, words
        assert says in shown.output
        assert "set aside" not in shown.output
    assert before == ((folder / name).read_bytes() if before is not None else None)
    found = json.loads(in_process("status", "--verify", "--json").stdout)["verification"]
    assert [one["file"] for one in found["damaged"]] == [f"study/study/{name}"]


def test_parts_are_set_aside_beside_a_damaged_study(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.store.root)
    assert "Every file is whole" in in_process("status", "--verify").output
    assert "Every part is whole." in in_process("repair").output
    DAMAGES["row"][1](folder / "votes.db")
    part = workspace.parts(workspace.folders("candidates")[0])[0]
    path = Path(workspace.store.path(part))
    path.write_bytes(path.read_bytes()[:-7])
    repaired = in_process("repair")
    assert repaired.exit_code == 4
    assert f"{part}: set aside as" in repaired.output
    assert "study/study/votes.db: damaged, and left where it is" in repaired.output
    assert "Next: synpic generate && synpic score" in repaired.output
    # Its images can be drawn again: votes on them are named, and no damage.
    (folder / "votes.db").unlink()
    study = open_study(workspace, "study")
    with closing(Votes(folder / "votes.db", create=True)) as votes:
        assert not verify_studies(workspace).damaged
        for one in study.comparisons:
            sides = one.second.candidate_id, one.first.candidate_id
            votes.append(
                Vote(one.id, "overall", *sides, "skip", "r", 900, "real", "2026-01-01T00:00:00Z")
            )
    for folder_ in workspace.folders("candidates"):
        shutil.rmtree(Path(workspace.store.path(folder_)))
    found = verify_studies(workspace)
    assert not found.damaged
    (remark,) = found.remarks
    assert "6 votes of 6 name candidates that no part here holds: " in remark
    assert "more" in remark
    for words in (["status", "--verify"], ["repair"]):
        shown = in_process(*words)
        assert (shown.exit_code, remark in shown.output) == (0, True)


def test_a_later_synpic_is_named_as_such(workspace: Workspace, folder: Path) -> None:
    sql(folder / "votes.db", "PRAGMA user_version = 9")
    with pytest.raises(NewerSchema, match="version 9"):
        verify_studies(workspace)
