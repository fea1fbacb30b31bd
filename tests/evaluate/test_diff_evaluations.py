"""Two evaluations, held to each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result as Ended

from synpic.errors import EvaluationError, SynpicError
from synpic.evaluate.diff_evaluations import EvaluationDiff, diff_evaluations
from synpic.evaluate.intervals import Estimate, independent_difference, wilson
from tests.cli.conftest import in_process
from tests.evaluate.recorded import changed, evaluation, result, typed, write

Change = Callable[[dict[str, Any]], dict[str, Any]]


def diff(old: dict[str, Any], new: dict[str, Any]) -> EvaluationDiff:
    return diff_evaluations(typed(old), typed(new))


def to(path: str, value: Any) -> Change:
    return lambda found: changed(found, path, value)


def better() -> dict[str, Any]:
    """The evaluation of a later model: 0.16 above the base."""
    found = changed(evaluation(), "models.tuned.fingerprint", "c" * 64)
    row = result("tuned", (0.71, 0.66, 0.76), (0.16, 0.12, 0.20))
    return changed(found, "measures.0.results.1", row)


def test_the_difference_of_two_shares_is_newcombe_s() -> None:
    """56 of 70 against 48 of 80, in Newcombe (1998), Statistics in Medicine 17, table II."""
    found = independent_difference(wilson(56, 70), wilson(48, 80))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )
    turned = independent_difference(wilson(48, 80), wilson(56, 70))
    assert (turned.low, turned.high) == (
        pytest.approx(-0.3339, abs=5e-5),
        pytest.approx(-0.0524, abs=5e-5),
    )
    nothing = Estimate(None, None, None, 0, 0)
    assert independent_difference(nothing, wilson(1, 2)).value is None
    alone = independent_difference(Estimate(1.0, None, None, 1, 1), wilson(1, 2))
    assert (alone.value, alone.low) == (0.5, None)


def test_even_intervals_add_as_variances_do() -> None:
    found = independent_difference(Estimate(5, 2, 8, 9, 9), Estimate(1, -3, 5, 4, 4))
    assert (found.value, found.low, found.high) == (4, -1, 9)
    assert (found.n, found.clusters) == (4, 4)


def test_what_agrees_is_subtracted() -> None:
    found = diff(evaluation(), better())
    assert not found.same
    assert not found.reasons
    assert [(one.name, one.redrawn) for one in found.models] == [("sdxl", False), ("tuned", True)]
    judge, *rewards = found.measures
    base, tuned = judge.results
    assert base.change is None
    assert tuned.change is not None
    assert tuned.change.value == pytest.approx(0.06)
    assert tuned.change.low == pytest.approx(0.06 - np.hypot(0.04, 0.04))
    for one in rewards:
        assert one.results[1].change is not None
        assert one.results[1].change.value == 0
    assert diff(evaluation(), evaluation()).same


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (to("suite", None), "other suite: geneval before, none now"),
        (to("suite.name", "dpg"), "other suite: geneval before, dpg now"),
        (to("suite.version", "9" * 64), "other version of geneval: 11111111 before, 99999999 now"),
        (to("suite.items", 50), "partial: 50 of 100 items now"),
        (to("suite.images", 1), "other number of images for a prompt: 4 before, 1 now"),
        (to("suite.protocol", ""), "other protocol of geneval: 4 images a prompt, 50 steps, "
         "guidance 9 before, none now"),
        (to("prompts_hash", "9" * 64), "other prompts: 100 before, 100 now"),
        (to("prompts_hash", None), "an earlier synpic wrote one of the two, and does not say on "
         "which prompts"),
        (to("items", 200), "other number of images: 400 before, 200 now"),
        (to("models.sdxl.fingerprint", "9" * 64), "other base: sdxl (aaaaaaaa) before, sdxl "
         "(99999999) now"),
    ],
)  # fmt: skip
def test_what_was_asked_otherwise_is_not(change: Change, reason: str) -> None:
    found = diff(evaluation(), change(better()))
    assert found.reasons == [reason]
    for measure in found.measures:
        assert measure.results[1].old
        assert measure.results[1].new
        assert all(one.change is None for one in measure.results)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (to("measures.0.fingerprint", "9" * 64), "other judge: 33333333 before, 99999999 now"),
        (to("measures.0.overall", "items"), "overall is the mean of tags before, of items now"),
        (to("measures.0.kind", "reward"), "a judge before, a reward now"),
    ],
)
def test_a_metric_that_is_another_is_left_and_the_others_are_not(
    change: Change, reason: str
) -> None:
    judge, *rewards = diff(evaluation(), change(better())).measures
    assert judge.reasons == [reason]
    assert judge.results[1].change is None
    assert all(one.results[1].change for one in rewards)


def test_a_model_that_is_drawn_otherwise_is_left() -> None:
    found = diff(evaluation(), changed(better(), "models.tuned.protocol", []))
    reason = "other protocol: steps 30, not 50 before, the suite's now"
    assert found.models[1].reasons == [reason]
    assert all(one.results[1].change is None for one in found.measures)


@pytest.mark.parametrize("row", [0, 1])
def test_what_is_missing_leaves_its_metric(row: int) -> None:
    """Of the model, or of the base: both are in its difference."""
    lacking = changed(better(), f"measures.0.results.{row}.missing", 7)
    judge, *rewards = diff(lacking, evaluation()).measures
    assert judge.results[1].reasons == ["partial: 7 images without a value before"]
    assert judge.results[1].change is None
    assert all(one.results[1].change for one in rewards)


def renamed(name: str) -> dict[str, Any]:
    """The tuned model under another name."""
    return dict(json.loads(json.dumps(better()).replace('"tuned"', json.dumps(name))))


def test_one_model_that_is_left_over_on_both_sides_is_compared() -> None:
    found = diff(evaluation(), renamed("later"))
    assert [one.name for one in found.models] == ["sdxl", "tuned → later"]
    assert found.measures[0].results[1].change is not None
    three = renamed("later")
    three["models"]["third"] = three["models"]["later"]
    found = diff(evaluation(), three)
    assert [(one.old, one.new) for one in found.models[1:]] == [
        ("tuned", None),
        (None, "later"),
        (None, "third"),
    ]
    assert not any(row.change for one in found.measures for row in one.results)


def test_a_metric_of_one_alone() -> None:
    fewer = better()
    del fewer["measures"][2]
    found = diff(evaluation(), fewer)
    assert [one.metric for one in found.measures] == ["geneval", "pickscore", "hpsv2"]
    assert found.measures[2].reasons == ["only in the old one"]
    assert diff(fewer, evaluation()).measures[2].reasons == ["only in the new one"]


def run(*words: object) -> Ended:
    return in_process("diff", *words)


def test_reports_and_workspaces_are_told_by_their_files(tmp_path: Path) -> None:
    report = write(tmp_path / "report/report.json", evaluation())
    workspace = write(tmp_path / "set/eval.json", better()).parent
    for old in (report, report.parent):
        shown = run(old, workspace).output
        assert f"old: {old}: geneval 11111111, 100 prompts, base sdxl" in shown
        assert "tuned: other weights or settings" in shown
        assert "+0.06 (+0.003431 … +0.1166)" in shown
        assert "as independent" in shown
    told = json.loads(run(report, workspace, "--json").stdout)
    assert told["measures"][0]["results"][1]["change"]["value"] == pytest.approx(0.06)
    assert told["measures"][0]["results"][1]["old"]["mean"]["value"] == 0.65
    assert "No difference" in run(report, report.parent).output


def test_the_reason_is_printed(tmp_path: Path) -> None:
    report = write(tmp_path / "report/report.json", evaluation())
    other = changed(better(), "measures.0.fingerprint", "9" * 64)
    shown = run(report, write(tmp_path / "other.json", other)).output
    assert "Not comparable by geneval: other judge: 33333333 before, 99999999 now." in shown
    partial = write(tmp_path / "partial.json", changed(better(), "suite.items", 50))
    shown = run(report, partial).output
    assert "Not comparable: partial: 50 of 100 items now." in shown
    assert "as independent" not in shown
    lacking = changed(better(), "measures.0.results.0.missing", 7)
    shown = run(report, write(tmp_path / "lacking.json", lacking)).output
    assert "by geneval: tuned, partial: 7 images without a value now." in shown


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("base", "other", "base 'other' is none of the models"),
        ("measures.0.results.1.model", "other", "geneval is of 'other', none of the models"),
        ("suite.items", 101, "suite: 101 items of a suite that has 100"),
        ("measures.0.results.1.mean.n", -1, "measures.0.results.1.mean.n: "),
        ("schema_version", 999, "this synpic reads up to"),
    ],
)
def test_a_report_that_contradicts_itself(tmp_path: Path, path: str, value: Any, said: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(changed(evaluation(), path, value)))
    error = run(tmp_path / "report.json", tmp_path).exception
    assert isinstance(error, SynpicError)
    assert said in error.message
    assert "report.json" in error.message


def test_what_is_none_is_told(tmp_path: Path) -> None:
    report = write(tmp_path / "report/report.json", evaluation())
    (tmp_path / "bad.json").write_text("{}")
    release = tmp_path / "release"
    write(release / "report.json", evaluation())
    (release / "manifest.json").write_text("{}")
    for words, said in (
        ((report, tmp_path / "bad.json"), "bad.json: schema_version: is missing"),
        ((report, release), "is none"),
        ((tmp_path / "nothing.json", report), "is none"),
        ((report, report, "--prompts", 3), "--prompts is for releases"),
    ):
        error = run(*words).exception
        assert isinstance(error, EvaluationError)
        assert said in error.message
        assert error.hint
