"""Votes: stored once, on the disk before they are acknowledged, held to what was written."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import CorruptPart, NewerSchema, StorageError, WorkspaceError
from synpic.workspace import database
from synpic.workspace.votes import ANSWERS, VOTE_KINDS, Vote, Votes, read_votes

VOTE = Vote("c1", "overall", "a" * 32, "b" * 32, "left", "r1", 1200, "real", "2026-01-01T00:00:00Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "votes.db"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    votes=st.lists(
        st.builds(
            Vote, TEXT, TEXT, TEXT, TEXT, st.sampled_from(ANSWERS), TEXT,
            st.integers(0, 2**53), st.sampled_from(VOTE_KINDS), TEXT,
        ),
        max_size=8,
    )
)  # fmt: skip
def test_what_is_written_is_read_each_key_once(
    tmp_path_factory: pytest.TempPathFactory, votes: list[Vote]
) -> None:
    path = tmp_path_factory.mktemp("votes") / "votes.db"
    first = {vote.key: vote for vote in reversed(votes)}
    with Votes(path, create=True) as file:
        for vote in [*votes, *votes]:
            assert replace(file.append(vote), number=0) == first[vote.key]
    rows = [Vote(**row) for row in read_votes(path).iter_rows(named=True)]
    assert {row.key: replace(row, number=0) for row in rows} == first
    assert len(rows) == len(first)


def test_a_vote_that_is_taken_back_can_be_given_again_under_a_new_number(path: Path) -> None:
    with Votes(path, create=True) as votes:
        assert votes.append(VOTE).number == 1
        assert votes.withdraw(*VOTE.key)
        assert not votes.withdraw(*VOTE.key)
        again = votes.append(replace(VOTE, answer="tie"))
        assert (again.number, again.answer) == (2, "tie")
        assert votes.of_rater("r1") == [again]


def test_real_votes_are_counted(path: Path) -> None:
    with Votes(path, create=True) as votes:
        for rater, kind in [("r1", "real"), ("r2", "real"), ("r1", "repeat"), ("r3", "check")]:
            votes.append(replace(VOTE, rater=rater, kind=kind))
        assert votes.counts() == {("c1", "overall"): 2}
        with Votes(path) as other:
            other.append(replace(VOTE, rater="r4"))
            assert votes.counts() == other.counts() == {("c1", "overall"): 3}
            votes.append(replace(VOTE, rater="r5"))
            votes.append(replace(VOTE, rater="r5", answer="tie"))  # is stored already
            assert votes.counts() == other.counts() == {("c1", "overall"): 4}
            other.withdraw("r5", "c1", "overall", "real")
            votes.withdraw("r5", "c1", "overall", "real")
            votes.withdraw("r1", "c1", "overall", "repeat")
            other.delete_rater("r4")
            assert votes.counts() == other.counts() == {("c1", "overall"): 2}


def test_an_answer_counts_no_votes_of_others_again(path: Path) -> None:
    with Votes(path, create=True) as votes:
        votes.append(VOTE)
        votes.counts()
        asked: list[str] = []
        votes._connection.set_trace_callback(asked.append)
        votes.append(replace(VOTE, rater="r2"))
        assert votes.counts() == {("c1", "overall"): 2}
    assert not any("GROUP BY" in one for one in asked)


def test_what_a_rater_answered_is_gone_from_the_disk_when_it_is_deleted(path: Path) -> None:
    secret = "rater-that-asks-to-be-forgotten"
    with Votes(path, create=True) as votes:
        votes.append(VOTE)
        votes.append(replace(VOTE, rater=secret))
        assert votes.delete_rater(secret) == 1
        assert votes.delete_rater(secret) == 0
        files = [one.read_bytes() for one in path.parent.iterdir()]
        assert not any(secret.encode() in data for data in files)
        assert [vote.rater for vote in votes.of_rater("r1")] == ["r1"]


def test_bytes_that_a_reader_keeps_in_the_log_are_named_and_overwritten_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PAUSE", 0.01)
    with Votes(path, create=True) as votes:
        votes.append(replace(VOTE, rater="forgotten"))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM votes").fetchone() == (1,)
        with pytest.raises(StorageError, match=r"still in votes\.db-wal.*reads the file"):
            votes.delete_rater("forgotten")
        assert votes.of_rater("forgotten") == []
        log = path.with_name("votes.db-wal")
        assert b"forgotten" in log.read_bytes()
        reader.execute("COMMIT")
        reader.close()
        assert votes.delete_rater("forgotten") == 0
        assert b"forgotten" not in log.read_bytes() + path.read_bytes()


@pytest.mark.parametrize("change", [{"answer": "left "}, {"kind": "x"}, {"milliseconds": -1}])
def test_what_is_no_vote_is_refused(path: Path, change: dict[str, object]) -> None:
    with Votes(path, create=True) as votes:
        with pytest.raises(WorkspaceError, match="not a vote"):
            votes.append(replace(VOTE, **change))
        assert votes.read().is_empty()


def test_files_that_are_not_votes_are_named(path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no such file of votes"):
        read_votes(path)
    path.write_text("answer,rater\n" * 1000)
    with pytest.raises(WorkspaceError, match="not a file of votes that synpic wrote"):
        read_votes(path)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE votes (x)")
    data = path.read_bytes()
    for create in (False, True):
        with pytest.raises(WorkspaceError, match="not a file of votes that synpic wrote"):
            Votes(path, create=create)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (data, [path])
    path.unlink()
    Votes(path, create=True).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 2")
    with pytest.raises(NewerSchema, match="version 2, and this synpic reads 1"):
        read_votes(path)


@pytest.mark.parametrize("data", [b"", b"x"])
def test_an_empty_file_is_no_file_of_votes_and_a_reader_leaves_it_as_it_is(
    path: Path, data: bytes
) -> None:
    path.write_bytes(data)
    with pytest.raises(CorruptPart, match="is empty, and not a file of votes"):
        read_votes(path)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (data, [path])
    if data:
        with pytest.raises(WorkspaceError, match="not a file of votes that synpic wrote"):
            Votes(path, create=True)
        assert path.read_bytes() == data
    else:
        Votes(path, create=True).close()
        assert read_votes(path).is_empty()


def test_a_changed_byte_of_an_answer_is_found(path: Path) -> None:
    with Votes(path, create=True) as votes:
        for number in range(50):
            votes.append(replace(VOTE, rater=f"rater{number}"))
    data = path.read_bytes()
    at = data.rindex(b"rater7")
    path.write_bytes(data[:at] + b"R" + data[at + 1 :])
    with pytest.raises(CorruptPart, match=r"vote \d+ is not what was written|damaged"):
        read_votes(path)
    path.write_bytes(data[:4096] + os.urandom(4096) + data[8192:])
    with pytest.raises(CorruptPart, match="damaged"):
        read_votes(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="unable to open"):
        Votes(tmp_path / "no" / "votes.db", create=True)


def test_threads_and_processes_store_each_vote_once(path: Path) -> None:
    Votes(path, create=True).close()
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from tests.workspace.test_votes import VOTE\n"
        "from synpic.workspace.votes import Votes\n"
        "votes = Votes(Path(sys.argv[1]))\n"
        "for n in range(60):\n"
        "    votes.append(replace(VOTE, comparison=f'c{n}'))\n"
        "    print(n, flush=True)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    with Votes(path) as votes:
        threads = [
            threading.Thread(
                target=lambda: [votes.append(replace(VOTE, comparison=f"c{n}")) for n in range(60)]
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    other.communicate(timeout=60)
    assert other.returncode == 0
    assert sorted(read_votes(path)["comparison"]) == sorted(f"c{n}" for n in range(60))


def test_what_was_acknowledged_is_there_after_kill_9(path: Path) -> None:
    Votes(path, create=True).close()
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from tests.workspace.test_votes import VOTE\n"
        "from synpic.workspace.votes import Votes\n"
        "votes, n = Votes(Path(sys.argv[1])), 0\n"
        "while True:\n"
        "    print(votes.append(replace(VOTE, comparison=f'c{n}')).comparison, flush=True)\n"
        "    n += 1\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    seen = [writer.stdout.readline().strip() for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    seen += writer.stdout.read().split()
    writer.wait()
    there = read_votes(path)["comparison"].to_list()
    # One may have been stored and not acknowledged.
    assert there[: len(seen)] == seen
    assert len(there) <= len(seen) + 1
