"""``synpic study`` as a user runs it, from the choice of comparisons to the report."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from synpic.workspace import Workspace
from tests.cli.conftest import Start, in_process, start
from tests.study import making
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


def test_a_plan_needs_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = in_process("study", "plan", "--half-width", 5).stdout
    assert "± 5 points: 385 votes on 385 pairs" in shown
    assert "55.0% 783" in shown
    found = json.loads(in_process("study", "plan", "--raters-per-pair", 3, "--json").stdout)
    assert (found["votes"], found["pairs"], found["here"]) == (1708, 570, None)
    assert found["answers"] == math.ceil(570 * 3 * 3 * 1.1)  # three votes, three questions
    ended = in_process("study", "plan", "--models", "a,b")
    assert "is not a workspace" in str(ended.exception)


def test_a_plan_knows_what_the_workspace_has(workspace: Workspace) -> None:
    """Twelve prompts, three models with one image of each: 12 pairs for each pair of models."""
    at = ("-C", workspace.folder, "study", "plan")
    shown = in_process(*at, "--half-width", 20).stdout
    assert "± 20 points: 25 votes on 25 pairs of images for each pair of models" in shown
    assert "for 3 pairs of models and 3 questions: 248 answers" in shown  # 25 · 9 · 1.1
    assert "Here: 36 pairs of images at equal prompt and seed, of 12 prompts and 3 pairs" in shown
    # 0.98 / √12 is 28.3 %; with three votes that correlate by 0.3, √(1.6 / 36) · 0.98 is 20.7 %.
    assert "1 vote on each of 12 give ± 28.3 points; --raters-per-pair 4 gives ± 20." in shown
    assert "Next: synpic study new --pairs 36\n" in shown
    shown = in_process(*at, "--half-width", 5, "--question", "appeal").stdout
    assert "do not give what is asked for: draw more prompts." in shown
    assert "Next: synpic study new --pairs 36 --question appeal" in shown
    shown = in_process(*at, "--half-width", 30, "--models", "alpha,beta").stdout
    assert "too few" not in shown
    assert "for 1 pair of models" in shown
    assert "Next: synpic study new --pairs 11" in shown
    here = json.loads(in_process(*at, "--models", "alpha,beta", "--json").stdout)["here"]
    assert (here["pairs"], here["seeded"], here["models"]) == (12, 12, 1)
    assert here["half_width"] == pytest.approx(1.959964 / 2 / math.sqrt(12))
    assert "'delta' has no images" in str(in_process(*at, "--models", "alpha,delta").exception)
    assert "no question 'apeal'" in str(in_process(*at, "--question", "apeal").exception)


def test_a_plan_of_a_workspace_without_images(tmp_path: Path) -> None:
    made = making.build(tmp_path / "set", keep=lambda row: False)
    shown = in_process("-C", made.folder, "study", "plan").stdout
    assert "Here: there are no images to compare yet" in shown


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
