"""``synpic eval MODEL --suite NAME``: the recipe that it writes, and the whole way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synpic.errors import EvaluationError, RecipeError, Unfinished, UnknownName
from synpic.evaluate.asked_suite import AskedSuite
from synpic.evaluate.beginning import evaluation_recipe
from synpic.evaluate.evaluation import evaluate_models
from synpic.pipeline.asked import ask_model
from synpic.pipeline.inventory import take_inventory
from synpic.recipe import Recipe, parse_recipe
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import to_image
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


OWN = 'prompt,item,tag\n"a red circle",1,one\n"a blue star",2,two\n'
TWO = ("shapes_mmdit_small", "--base", "shapes_unet")


def test_mistakes_are_found_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("prompt\n")
    assert "empty.csv: no item" in failed(*TWO, "--suite", "empty.csv", "--judge", "shapes")
    assert not Path("eval-empty").exists()
    (tmp_path / "own.csv").write_text(OWN)
    words = (*TWO, "--suite", "own.csv", "--judge", "shapes")
    assert "the prompts have no column 'tags'" in failed(*words, "--tag", "tags")
    assert "no such folder of references" in failed(*words, "--fid", "nowhere")
    features = ("--fid", "world:shapes", "--fid-features", "shapes_quality")
    assert "'shapes_quality' has no features of images" in failed(*words, *features)
    assert "unknown world" in str(in_process("eval", *words, "--fid", "world:n").exception)
    twice = ("other=shapes_unet", "--base", "shapes_unet", *words[3:], "--into", "twice")
    assert "shapes_unet are the same" in str(in_process("eval", *twice).exception)
    assert not any(Path(one, "candidates").exists() for one in ("eval-own", "twice"))
    # A recipe without a judge: the suite names its own.
    recipe = Path("eval-own/recipe.toml")
    text = recipe.read_text().replace('file = "../own.csv"', 'name = "dpg"')
    recipe.write_text(text.replace("[judges.shapes]", ""))
    (tmp_path / "stands.py").write_text(
        "from synpic.prompts.suites import Suite, SuiteContent, SuiteItem\n"
        "ITEMS = [SuiteItem('1', 'a red circle')]\n"
        "OWN = Suite('stands', 'one', lambda data: SuiteContent(ITEMS),\n"
        "            judges={'vlm_questions': {'rule': 'dpg'}, 'shapes': {}})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe.write_text(recipe.read_text().replace('"dpg"', '"stands:OWN"'))
    for command in ("score", "eval"):
        result = in_process("-C", tmp_path / "eval-own", command)
        assert isinstance(result.exception, RecipeError), result.output
        assert result.exception.hint is not None
        assert result.exception.hint.startswith(
            "the suite stands is judged by [judges.vlm_questions] with options = "
            '{ rule = "dpg" } or [judges.shapes]; else add [rewards.NAME]'
        )
    assert not (tmp_path / "eval-own/candidates").exists()


def test_judges_of_one_s_own_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text(OWN)
    Path("looks.py").write_text("def dark(asked, image):\n    return False\n")
    for model in ("a", "b"):
        picture("a red circle", tmp_path / model / "1.png")
    images = ("--images", "a=a", "--images", "b=b", "--suite", "own.csv", "--into", "there")
    made = in_process("eval", *images, "--judge", "looks:dark")
    assert made.exit_code == 0, made.output
    Path("there").rename("moved")
    Path("looks.py").rename("gone.py")
    sys.modules.pop("looks", None)
    rows = Workspace.open("moved")
    (judge,) = take_inventory(rows).found_judges
    assert judge.name == "dark"
    assert judge.folder in rows.folders("verdicts")


def picture(text: str, at: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    to_image(illustrate(parse(text), np.random.default_rng(0))).save(at)


@pytest.mark.slow
def test_images_that_failed_are_shown_as_the_user_has_them_and_failed_stays_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text(OWN)
    for model in ("a", "b"):
        for item, text in (("1", "a red circle"), ("2", "a blue star")):
            picture(text, tmp_path / model / f"{item}.png")
    broken = tmp_path / "b" / "2.png"
    broken.write_bytes(broken.read_bytes()[:60])
    words = ("--images", "a=a", "--images", "b=b", "--suite", "own.csv", "--judge", "shapes")
    first = in_process("eval", *words)
    assert isinstance(first.exception, Unfinished), first.output
    assert f"({broken})" in first.exception.message
    again = in_process("eval", *words)
    assert "Partial: no score of up to 1 image of a model" in again.output
    assert isinstance(again.exception, Unfinished)
    assert again.exception.message == "ingested: 1 image failed before"
    # Names of files work where the user stands.
    shown = in_process("-C", "eval-own", "eval", "--to", "report").output
    assert f"Wrote {Path('eval-own/report/report.md')} and report.json." in shown
    monkeypatch.chdir(tmp_path)
    shown = in_process("-C", "eval-own", "view", "--to", "page").output
    assert f"Look at it: open {Path('eval-own/page/index.html')}" in shown


def test_the_number_of_a_suite_stays_its_own_where_its_package_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "away.py"
    module.write_text(
        "from synpic.prompts.suites import Protocol, Suite, SuiteContent, SuiteItem\n"
        "TEXTS = (('a red circle', 'one'), ('a blue star', 'two'))\n"
        "ITEMS = [SuiteItem(text, text, tag) for text, tag in TEXTS]\n"
        "OWN = Suite('away', 'two', lambda data: SuiteContent(ITEMS), judges={'shapes': {}},\n"
        "            aggregated='tags', protocol=Protocol(1, steps=7))\n"
    )
    for model in ("a", "b"):
        for text in ("a red circle", "a blue star"):
            picture(text, tmp_path / model / f"{text}.png")
    images = ("--images", "a=a", "--images", "b=b")
    shown = in_process("eval", *images, "--suite", "away:OWN", "--into", "there", "--json")
    assert shown.exit_code == 0, shown.output
    first = json.loads(shown.stdout)
    assert Path("there/away.py").read_text() == module.read_text()  # it goes on from anywhere
    Path("there/away.py").unlink()
    assert {one["overall"] for one in first["measures"]} == {"tags"}
    assert first["suite"]["protocol"] == "1 image a prompt, 7 steps"
    module.unlink()
    sys.modules.pop("away", None)
    found = evaluate_models(Workspace.open("there")).as_dict()
    assert (found["suite"], found["measures"]) == (first["suite"], first["measures"])
