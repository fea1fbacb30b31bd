"""``synpic eval MODEL --suite NAME``: the recipe that it writes, and the whole way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import EvaluationError, UnknownName
from synpic.evaluate.beginning import AskedSuite, ask_model, evaluation_recipe
from synpic.recipe import Recipe, parse_recipe
from synpic.workspace import Workspace
from tests.cli.conftest import in_process
from tests.release.cards.facts import about

SHAPES = AskedSuite.of("shapes", None, None, 6)


def trained(folder: Path, **more: Any) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model/training.json").write_text(json.dumps(about(**more)))
    return folder


def begun(folder: Path, *models: str, base: str | None = None) -> Recipe:
    text = evaluation_recipe(
        folder,
        models=[ask_model(model) for model in models],
        base=None if base is None else ask_model(base),
        suite=SHAPES,
    )
    return parse_recipe(text)


def test_registered_models_and_the_suite_s_own_judge(tmp_path: Path) -> None:
    found = begun(tmp_path, "shapes_unet", base="shapes_mmdit")
    assert list(found.models) == ["shapes_mmdit", "shapes_unet"]
    assert found.suite is not None
    assert (found.suite.name, found.suite.limit) == ("shapes", 6)
    assert list(found.judges) == ["shapes"]
    assert found.rewards == {}
    assert found.compare is not None
    assert found.compare.base == "shapes_mmdit"


def test_a_suite_s_judge_has_the_suite_s_options(tmp_path: Path) -> None:
    models = [ask_model("shapes_unet")]
    for judge, table in ((None, "vlm_questions"), (["vlm_questions_endpoint"], None)):
        suite = AskedSuite.of("dpg", judge, ["clip_score"], None)
        text = evaluation_recipe(tmp_path, models=models, base=ask_model("sdxl"), suite=suite)
        found = parse_recipe(text)
        assert list(found.judges) == [table or "vlm_questions_endpoint"]
        assert [one.options for one in found.judges.values()] == [{"rule": "dpg"}]
        assert list(found.rewards) == ["clip_score"]


def test_a_run_of_train_is_compared_with_what_it_was_trained_from(tmp_path: Path) -> None:
    run = trained(tmp_path / "tuned")
    found = begun(tmp_path / "eval", str(run))
    assert list(found.models) == ["sdxl", "tuned"]
    tuned = found.models["tuned"]
    # Adapters are laid over the registered model, drawn with its settings.
    assert (tuned.model, tuned.checkpoint) == ("sdxl", None)
    assert [one.checkpoint for one in tuned.adapters] == ["../tuned/model"]
    # The folder of the model itself names the same.
    assert begun(tmp_path / "eval", str(run / "model")) == found
    whole = trained(tmp_path / "whole", saved="pipeline")
    assert begun(tmp_path, f"mine={whole}").models["mine"].checkpoint == "whole/model"


def test_names_of_folders_may_hold_an_equals_sign(tmp_path: Path) -> None:
    run = trained(tmp_path / "lr=1e-5")
    assert list(begun(tmp_path / "e", str(run)).models) == ["sdxl", "lr_1e_5"]
    assert list(begun(tmp_path / "e", f"mine={run}").models) == ["sdxl", "mine"]


def test_paths_lead_from_where_a_link_leads(tmp_path: Path) -> None:
    run = trained(tmp_path / "tuned")
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep/er")
    (adapter,) = begun(tmp_path / "link", str(run)).models["tuned"].adapters
    assert (tmp_path / "deep/er" / str(adapter.checkpoint)).resolve() == run / "model"


def test_two_judges_of_one_name_have_tables_of_their_own(tmp_path: Path) -> None:
    suite = AskedSuite.of("shapes", ["a:judge", "b:judge"], None, None)
    models = [ask_model("shapes_unet")]
    text = evaluation_recipe(tmp_path, models=models, base=ask_model("shapes_mmdit"), suite=suite)
    assert [one.judge for one in parse_recipe(text).judges.values()] == ["a:judge", "b:judge"]


def test_repositories_and_names(tmp_path: Path) -> None:
    found = begun(tmp_path, "Mine=owner/Some-Model@abc", "owner/other", base="sdxl")
    assert list(found.models) == ["sdxl", "mine", "other"]
    mine = found.models["mine"]
    assert (mine.model, mine.checkpoint, mine.revision) == ("sdxl", "owner/Some-Model", "abc")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"'shapes_unit' is no registered model.*shapes_unet"):
        ask_model("shapes_unit")
    with pytest.raises(EvaluationError, match="holds no model_index"):
        ask_model(str(tmp_path))
    with pytest.raises(EvaluationError, match="nothing says what to compare with"):
        begun(tmp_path, "shapes_unet")
    with pytest.raises(EvaluationError, match="two models are called 'shapes_unet'"):
        begun(tmp_path, "shapes_unet", base="shapes_unet")
    facts = about(model={"checkpoint": "gone", "sha256": "0" * 64})
    facts["recipe"]["model"]["model"] = None
    run = trained(tmp_path / "tuned")
    (run / "model/training.json").write_text(json.dumps(facts))
    with pytest.raises(EvaluationError, match="tuned was trained from 'gone', which is not found"):
        begun(tmp_path, str(run))
    (tmp_path / "tuned/model/training.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"training\.json"):
        ask_model(str(run))


def test_what_is_no_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"'shape' is no registered suite.*'shapes'"):
        AskedSuite.of("shape", None, None, None)
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"prompt": "a red circle"}\n')
    with pytest.raises(EvaluationError, match="no judge comes with it"):
        AskedSuite.of(str(mine), None, None, None)
    assert AskedSuite.of(str(mine), None, ["shapes_clip"], None).label == "mine"


def failed(*words: object) -> str:
    result = in_process("eval", *words)
    assert isinstance(result.exception, EvaluationError), result.output
    return result.exception.message


def test_from_nothing_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("shapes_mmdit_small", "--base", "shapes_unet", "--suite", "shapes", "--limit", 6)
    planned = in_process("eval", *words, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "12 images to draw" in planned.output
    assert "Of 12 images: 12 verdicts and 0 scores in all" in planned.output
    assert list(tmp_path.iterdir()) == []
    first = in_process("eval", *words, "--json")
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert (found["base"], found["prompts"], found["items"]) == ("shapes_unet", 6, 6)
    assert [one["metric"] for one in found["measures"]] == ["shapes", "shapes lenient"]
    suite = found["suite"]
    assert (suite["name"], suite["items"], suite["images"]) == ("shapes", 6, 1)
    assert suite["whole"] > 1000
    # Six tags of one prompt each: what is right is counted as the workspace has it.
    verdicts = Workspace.open("eval-shapes").verdicts
    rows = [
        row
        for folder in Workspace.open("eval-shapes").folders("verdicts")
        for row in verdicts(folder).iter_rows(named=True)
    ]
    assert len(rows) == 12
    overall = [one for one in found["measures"][0]["results"] if one["tag"] == "overall"]
    right = sum(one["mean"]["value"] * 6 for one in overall)
    assert right == pytest.approx(sum(row["correct"] for row in rows))
    # The same command draws nothing more; in the workspace it takes no arguments.
    again = in_process("eval", *words)
    assert again.exit_code == 0, again.output
    assert "Partial: 6 of" in again.output
    assert json.loads(Path("eval-shapes/eval.json").read_bytes()) == found
    assert json.loads(in_process("-C", "eval-shapes", "eval", "--json").stdout) == found
    monkeypatch.chdir(tmp_path)  # -C has left it
    assert "another recipe" in failed(*words[:-1], 12)
    slip = in_process("eval", *words, "--judge", "shape", "--into", "slip")
    assert isinstance(slip.exception, UnknownName), slip.output
    assert not Path("slip").exists()
    assert "nothing says on which prompts" in failed("shapes_unet", "--base", "shapes_mmdit")
    assert "--limit begins a new evaluation" in failed("--limit", 3)
