"""Four raters at once, one of them killed, and a server that is killed and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synpic.study.assignments import Assignments
from synpic.study.definition import write_study
from synpic.study.new import StudyOptions, plan_study
from synpic.workspace.votes import read_votes
from tests.cli.conftest import Start, start
from tests.study import making, rater

__all__ = ["start"]

RATER = Path(rater.__file__)


@pytest.mark.parametrize(("each", "kills"), [(25, 1), pytest.param(340, 8, marks=pytest.mark.slow)])
def test_nothing_that_was_acknowledged_is_lost_or_doubled(
    start: Start, tmp_path: Path, each: int, kills: int
) -> None:
    workspace = making.build(tmp_path / "set", 1 + each // 8)
    options = StudyOptions(pairs=3 + each // 3, per_rater=each)
    write_study(workspace, plan_study(workspace, options).study)
    folder = Path(workspace.store.path("study/study"))

    def serve() -> tuple[object, str]:
        process = start("study", "serve", "-C", workspace.folder, "--json")
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())["address"]

    server, address = serve()
    logs = [tmp_path / f"rater{number}.log" for number in range(4)]
    raters = [
        subprocess.Popen([sys.executable, str(RATER), address, str(n), str(2 * each), str(log)])
        for n, log in enumerate(logs)
    ]

    def acknowledged() -> list[list[str]]:
        lines = [line for log in logs if log.exists() for line in log.read_text().splitlines()]
        return [line.split() for line in lines if line.count(" ") == 2]

    def reached(count: int) -> None:
        until = time.monotonic() + 120
        while len(acknowledged()) < count:
            assert time.monotonic() < until
            time.sleep(0.01)

    for kill in range(kills):
        reached(each * 3 * (kill + 1) // (kills + 1))
        server.kill()  # type: ignore[attr-defined]
        server.wait()  # type: ignore[attr-defined]
        server, again = serve()
        assert again == address
        if kill == 0:
            raters[0].kill()
    assert [one.wait(timeout=280) for one in raters[1:]] == [0, 0, 0]
    raters[0].wait()
    server.kill()  # type: ignore[attr-defined]

    votes = read_votes(folder / "votes.db")
    assignments = Assignments(folder / "assignments.db")
    keys = votes.select("rater", "comparison", "question", "kind").rows()
    stored = dict(zip(keys, votes["answer"], strict=True))
    assert len(stored) == votes.height > 3 * each
    lost = [
        line
        for line in acknowledged()
        if (one := assignments.by_ticket(line[0], line[1])) is None or stored[one.key] != line[2]
    ]
    assignments.close()
    assert lost == []
    # Three raters answered everything: more than a thousand votes where each has 340.
    assert len(acknowledged()) > 3 * each
    # The rater that was killed may have one answer stored that it did not write down.
    assert 0 <= votes.height - len(acknowledged()) <= 1
    assert len({line[0] for line in acknowledged()}) == 4
