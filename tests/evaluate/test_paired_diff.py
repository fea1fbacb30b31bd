"""Two evaluations of the same prompts, prompt by prompt: as one evaluation of both models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from synpic.evaluate.evaluation import evaluate_models
from synpic.evaluate.report import write_report
from synpic.workspace import Workspace
from synpic.workspace.evaluation_values import read_values, values_beside
from synpic.workspace.evaluations import EVALUATION, REPORT, read_evaluation
from tests.cli.conftest import in_process
from tests.evaluate.test_evaluation import PROMPTS
from tests.publish.fixtures import build, hashed_score, recipe


def score(reward: str, row: dict[str, Any]) -> float | None:
    """By redness gamma is a little better than beta; of one image there is no greenness."""
    if (reward, row["model"], row["sample"], row["prompt"]) == (
        "greenness",
        "beta",
        1,
        "3 red circles",
    ):
        return None
    return hashed_score(reward, row) + 0.3 * (reward == "redness" and row["model"] == "gamma")


def workspace(root: Path, *models: str, prompts: Sequence[tuple[str, str]] = PROMPTS) -> Workspace:
    return build(root, prompts, text=recipe(models, samples=2), score=score)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``old`` has beta against alpha, ``new`` gamma against alpha, ``base`` gamma against beta."""
    folder = tmp_path_factory.mktemp("reports")
    for name, models in (("old", "alpha beta"), ("new", "alpha gamma"), ("base", "beta gamma")):
        found = evaluate_models(workspace(folder / f"{name}-set", *models.split()))
        write_report(found, folder / name)
    return folder


def rows(old: Path, new: Path) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    ended = in_process("diff", old, new, "--json")
    assert ended.exit_code == 0, ended.output
    found: dict[str, Any] = json.loads(ended.stdout)
    every = {(m["metric"], row["model"]): row for m in found["measures"] for row in m["results"]}
    return found, every


def test_it_is_what_one_evaluation_of_both_models_finds(reports: Path) -> None:
    found, by_name = rows(reports / "old", reports / "new")
    assert found["unpaired"] == []
    together = read_evaluation(reports / "base")
    for measure in together.measures:
        expected = measure.result("gamma")
        assert expected is not None
        assert expected.difference is not None
        paired = by_name[measure.metric, "beta → gamma"]["paired"]
        wanted = expected.difference
        for key in ("value", "n", "clusters"):
            assert paired["mean"][key] == pytest.approx(getattr(wanted.mean, key))
        for end in ("low", "high"):  # drawn by other seeds
            assert paired["mean"][end] == pytest.approx(getattr(wanted.mean, end), abs=0.01)
        assert paired["win_rate"]["value"] == pytest.approx(wanted.win_rate.value)
        assert paired["p"] == pytest.approx(wanted.p, abs=0.01)
        assert (paired["ties"], paired["seen"]) == (wanted.ties, wanted.seen)
        # The same images of the base.
        assert by_name[measure.metric, "alpha"]["paired"]["mean"]["value"] == 0
    assert by_name["redness", "beta → gamma"]["paired"]["seen"]
    assert by_name["greenness", "beta → gamma"]["paired"]["mean"]["n"] == 59
    # Narrower than of independent evaluations.
    change = by_name["redness", "beta → gamma"]["change"]
    paired = by_name["redness", "beta → gamma"]["paired"]["mean"]
    assert paired["high"] - paired["low"] < change["high"] - change["low"]
    shown = in_process("diff", reports / "old", reports / "new").output
    assert "new − old" in shown
    assert "paired by prompt and image" in shown
    assert (
        "They differ by greenness: beta → gamma, partial: 1 image without a value before." in shown
    )


def test_another_base_leaves_models_to_compare(reports: Path) -> None:
    found, by_name = rows(reports / "base", reports / "new")
    assert found["reasons"][0].startswith("other base: beta")
    row = by_name["redness", "gamma"]
    assert (row["change"], row["paired"]["mean"]["value"]) == (None, 0)
    assert by_name["redness", "beta → alpha"]["paired"] is not None
    shown = in_process("diff", reports / "base", reports / "new").output
    assert "Differences from the base are not comparable: other base: beta" in shown


def test_why_they_are_not_paired(reports: Path, tmp_path: Path) -> None:
    other = evaluate_models(workspace(tmp_path / "set", "alpha", "beta", prompts=PROMPTS[:20]))
    write_report(other, tmp_path / "fewer")
    found, _ = rows(reports / "old", tmp_path / "fewer")
    assert found["unpaired"] == ["other prompts: 30 before, 20 now"]
    alone = tmp_path / "alone.json"
    alone.write_bytes((reports / "old/report.json").read_bytes())
    shown = in_process("diff", alone, reports / "new").output
    assert f"Not paired by prompt: {tmp_path / 'alone.parquet'}: there is no such file" in shown
    assert "change: how much more" in shown
    beside = tmp_path / "alone.parquet"
    beside.write_bytes((reports / "new/report.parquet").read_bytes())
    recorded = read_evaluation(alone)
    assert read_values(alone, recorded)[1] == (
        f"{beside}: it is not what was written with the evaluation"
    )
    beside.write_bytes((reports / "old/report.parquet").read_bytes())
    values, why = read_values(alone, recorded)
    assert why == ""
    assert values is not None
    assert values.height == 2 * 2 * 60
    assert values["value"].null_count() == 1
    older = recorded.model_copy(update={"values": None})
    assert read_values(alone, older)[1].endswith("written without values of single prompts")


@pytest.mark.parametrize("kept", [REPORT, EVALUATION])
def test_the_file_that_is_missed_is_the_one_beside_what_was_read(
    reports: Path, tmp_path: Path, kept: str
) -> None:
    (tmp_path / kept).write_bytes((reports / "old/report.json").read_bytes())
    recorded, beside = read_evaluation(tmp_path), tmp_path / values_beside(kept)
    assert read_values(tmp_path, recorded)[1].startswith(f"{beside}: there is no such file")
    beside.mkdir()
    assert read_values(tmp_path, recorded)[1].startswith(f"{beside}: it cannot be read")
