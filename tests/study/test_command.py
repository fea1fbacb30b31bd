"""``synpic study`` as a user runs it, from the choice of comparisons to the report."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from synpic.workspace import Workspace
from tests.cli.conftest import Start, in_process, start
from tests.study.conftest import Serving
from tests.study.rater import HttpRater, answer_all

__all__ = ["start"]


@pytest.fixture
def answered(
    workspace: Workspace, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Workspace]:
    """Two raters have answered all of a study; the working directory is its workspace."""

    def answer(milliseconds: int = 1000, **options: object) -> Workspace:
        with serving(**{"pairs": 12, "questions": ["alignment"], **options}) as address:
            for side in ("left", "right"):
                answer_all(HttpRater(address), lambda shown, side=side: side)  # type: ignore[misc]
        monkeypatch.chdir(workspace.folder)
        return workspace

    return answer


def test_a_report_for_people_and_for_programs(answered: Callable[..., Workspace]) -> None:
    answered()
    shown = in_process("study", "report").stdout
    assert "Study 'study': 28 votes of 2 raters" in shown
    rows = [line.split()[:2] for line in shown.splitlines()]
    assert [row for row in rows if row[:1] in (["alpha"], ["beta"])] == [
        ["alpha", "beta"], ["alpha", "gamma"], ["beta", "gamma"],
    ]  # fmt: skip
    assert "Left image taken (0.5 is no bias to a side): 0.500" in shown
    found = json.loads(in_process("study", "report", "--json").stdout)
    (question,) = found["questions"]
    assert [(pair["first"], pair["second"]) for pair in question["pairs"]] == [
        ("alpha", "beta"), ("alpha", "gamma"), ("beta", "gamma"),
    ]  # fmt: skip
    # Each took its own side always, so of every comparison one took each image, by sides.
    assert found["left_side"]["value"] == 0.5
    assert found["repeated"]["n"] == 2
    assert found["repeated"]["value"] == 0
    assert [one["left_out"] for one in found["raters"]] == [None, None]
    strict = json.loads(in_process("study", "report", "--min-median", 2000, "--json").stdout)
    assert [one["left_out"] for one in strict["raters"]] == ["median time 1000 ms"] * 2


def test_raters_are_left_out_as_the_report_leaves_them_out(
    workspace: Workspace, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(pairs=20, questions=["alignment"], checks=0.2) as address:
        answer_all(HttpRater(address), lambda shown: "both_bad")
        answer_all(HttpRater(address), lambda shown: "left")
    monkeypatch.chdir(workspace.folder)
    for words in ([], ["--min-passed", "100%"], ["--min-median", 2000]):
        report = json.loads(in_process("study", "report", *words, "--json").stdout)
        assert (
            json.loads(in_process("study", "raters", *words, "--json").stdout) == report["raters"]
        )
    shown = in_process("study", "raters", "--min-passed", "100%").stdout
    assert "Left out (of 3 or more checks fewer than 100% passed, or a median" in shown
    assert "both bad" in shown.splitlines()[0]
    assert 'Checks answered "both bad" are none of "checks"' in shown
    both_bad = sum(one["both_bad"] for one in report["raters"])
    assert both_bad >= 2
    said = f'; {both_bad} others answered "both bad", which counts neither way'
    assert said in in_process("study", "report").stdout


def test_the_help_has_whole_sentences() -> None:
    for words in ([], ["study"]):
        lines = in_process(*words, "--help").stdout.splitlines()[1:]
        assert len(lines) > 12
        assert [line for line in lines if line.endswith("...")] == []


def test_a_study_without_votes_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.folder)
    in_process("study", "new", "--pairs", 6)
    ended = in_process("study", "report")
    assert ended.exit_code == 1
    assert "study 'study' has no votes yet" in str(ended.exception)
    ended = in_process("study", "report", "--name", "studi")
    assert "Did you mean 'study'" in str(ended.exception)


def test_a_plan_needs_no_workspace() -> None:
    shown = in_process("study", "plan", "--half-width", 5).stdout
    assert "± 5 points: 385 votes on 385 pairs" in shown
    assert "55.0% 783" in shown
    found = json.loads(in_process("study", "plan", "--raters-per-pair", 3, "--json").stdout)
    assert (found["votes"], found["pairs"]) == (1708, 570)


def test_it_serves_until_a_signal_ends_it(start: Start, workspace: Workspace) -> None:
    in_process("-C", workspace.folder, "study", "new", "--pairs", 6)
    process = start("study", "serve", "-C", workspace.folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "Send this address to the raters:\n"
    address = process.stdout.readline().strip()
    assert HttpRater(address).begin()["answered"] == 0
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert output == "Ctrl-C ends it; the address stays the same.\n"
    assert "votes are kept" in errors
    assert "Traceback" not in errors
