"""The report as a page: what it draws, and that it loads and runs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from synpic.evaluate.agree import agree
from synpic.evaluate.intervals import Estimate
from synpic.study.definition import Study, folder_of, write_study
from synpic.study.exchange.labels import export_labels
from synpic.study.new import StudyOptions, plan_study
from synpic.study.own_votes import read_votes_of
from synpic.study.raters import RaterRule
from synpic.study.report import make_report
from synpic.study.report_page import Chart, ChartRow, judges_of, report_page
from synpic.workspace import Workspace
from synpic.workspace.votes import Vote, Votes
from tests.cli.conftest import in_process
from tests.study import making, simulated
from tests.study.conftest import Visit
from tests.study.simulated import Ways
from tests.view.hostile import IMAGE
from tests.view.test_page import CONTRAST

RULE = RaterRule()


def answered(workspace: Workspace) -> Study:
    """A study of 30 comparisons, and what two raters of the simulation answer to it."""
    study = plan_study(workspace, StudyOptions(pairs=30, questions=["overall"])).study
    write_study(workspace, study)
    ways = {"r" * 32: Ways(0.9, ties=0.1), "s" * 32: Ways(0.7)}
    with Votes(folder_of(workspace, study.name) / "votes.db", create=True) as votes:
        for row in simulated.votes(study, ways).drop("number").iter_rows(named=True):
            votes.append(Vote(**row))
    return study


def test_a_value_is_drawn_where_it_lies() -> None:
    half = ChartRow("a", Estimate(0.5, 0.25, 1.0, 9, 9), "")
    chart = Chart("title", "about", [half])
    drawn = chart.drawn(half)
    assert drawn["value"] == chart.at(0.5) == 240  # of 480
    assert drawn["ends"] == [125, 470]  # 10 + 460 · 0.25, and the end
    assert [text for _, text in chart.ticks] == ["0", "0.25", "0.5", "0.75", "1"]
    low = Chart("title", "about", [half], least=-0.5, mark=0.0)
    assert [text for _, text in low.ticks] == ["−0.5", "0", "0.5", "1"]
    assert low.at(-0.8) == low.at(-0.5) == 10
    none = ChartRow("a", Estimate(None, None, None, 0, 0), "")
    assert chart.drawn(none) == {
        "label": "a", "note": "", "ends": [], "value": None, "text": "none",
    }  # fmt: skip


def test_judges_are_those_of_agree_after_an_export(workspace: Workspace) -> None:
    study = answered(workspace)
    found = judges_of(workspace, study, read_votes_of(workspace, study), RULE)
    assert not isinstance(found, str)
    export_labels(workspace, study, RULE)
    expected = agree(workspace)
    assert found.questions[0].accuracies == expected.questions[0].accuracies
    assert found.questions[0].one_vote == expected.questions[0].one_vote
    assert found.questions[0].fingerprint == expected.questions[0].fingerprint


def test_a_workspace_without_scores_says_why(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", score=lambda reward, row: None)
    study = answered(workspace)
    votes = read_votes_of(workspace, study)
    found = judges_of(workspace, study, votes, RULE)
    assert isinstance(found, str)
    assert "no reward has scored an image" in found
    assert f"Not here: {found}" in report_page(make_report(study, votes), found)


def test_the_command_writes_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(workspace)
    monkeypatch.chdir(workspace.folder)
    shown = in_process("study", "report", "--to", "report.html").stdout
    assert "Wrote report.html: open it in a browser." in shown
    page = Path("report.html").read_text(encoding="utf-8")
    (line,) = [line for line in shown.splitlines() if line.split()[:2] == ["alpha", "beta"]]
    rate = re.search(r"\d\.\d{3} \(\d\.\d{3} … \d\.\d{3}\)", line)
    assert rate
    assert f'aria-label="alpha against beta: {rate[0]}"' in page
    assert page.count("<svg") > 12
    for words, message in [
        (["--to", "report.html"], "it is there already"),
        (["--to", "report.pdf"], "unknown kind of file"),
        (["--to", "no/report.html"], "No such file"),
    ]:
        assert message in str(in_process("study", "report", *words).exception)
    assert in_process("study", "report", "--to", "report.html", "--overwrite").exit_code == 0
    assert Path("report.html").read_text(encoding="utf-8") == page
    assert sorted(path.name for path in Path().glob("*report*")) == ["report.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_as_a_file_and_runs_nothing(
    visit: Callable[..., Visit], workspace: Workspace, tmp_path: Path, scheme: str
) -> None:
    study = answered(workspace)
    votes = read_votes_of(workspace, study)
    asked = [one.model_copy(update={"text": IMAGE}) for one in study.questions]
    report = make_report(study.model_copy(update={"questions": asked}), votes)
    file = tmp_path / "report.html"
    judges = judges_of(workspace, study, votes, RULE)
    file.write_text(report_page(report, judges), encoding="utf-8")
    one = visit(file.as_uri(), color_scheme=scheme)
    page = one.page
    page.goto(file.as_uri())
    assert IMAGE in page.inner_text("h2 >> nth=0")
    assert page.locator("img, script").count() == 0
    # Styles are let in: the accent colours what is drawn.
    fill = page.locator("circle.value").first.evaluate("one => getComputedStyle(one).fill")
    assert fill not in ("rgb(0, 0, 0)", "none")
    assert page.evaluate(CONTRAST) == []
    for width in (360, 1000):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    one.check()


def test_raters_that_are_left_out_say_why() -> None:
    study = simulated.study(200)
    votes = simulated.votes(study, {"good": Ways(0.9), "bad": Ways(0.9, looks=0.0)}, seed=2)
    checks = (pl.col("kind") == "check") & (pl.col("rater") == "bad")
    wrong = pl.col("answer").replace({"left": "right", "right": "left"})
    first = votes.filter(checks)["number"][0]
    answer = pl.when(pl.col("number") == first).then(pl.lit("both_bad")).otherwise(wrong)
    report = make_report(
        study, votes.with_columns(answer=pl.when(checks).then(answer).otherwise("answer"))
    )
    page = report_page(report, "nothing is scored")
    why = next(one.left_out for one in report.raters if one.rater == "bad")
    assert why is not None
    assert f"<td>{why}</td>" in page
    assert "1 left out" in page
