"""A new study, and its file."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from synpic.errors import NewerSchema, RecipeError, StorageError, SynpicError, WorkspaceError
from synpic.pipeline.inventory import take_inventory
from synpic.study.asking import Asking
from synpic.study.assignments import Assignments
from synpic.study.definition import open_study, study_names, write_study
from synpic.study.new import StudyOptions, plan_study
from synpic.workspace import Workspace
from synpic.workspace.votes import Votes
from tests.cli.conftest import in_process
from tests.publish import fixtures
from tests.study import making


def test_a_study_is_written_once_and_read_as_it_was_chosen(workspace: Workspace) -> None:
    found = plan_study(workspace, StudyOptions(pairs=20, per_rater=50))
    assert study_names(workspace) == []
    assert found.as_dict() == {
        "name": "study",
        "pairs": 20,
        "possible": 36,
        "questions": ["overall", "alignment", "appeal"],
        "models": ["alpha", "beta", "gamma"],
        "checks": 1,
        "basis": {"seed": 20},
        "flagged": 0,
        "dropped": 0,
        "prompts": 12,
    }
    write_study(workspace, found.study)
    assert open_study(workspace, "study") == found.study
    with pytest.raises(WorkspaceError, match="has that study"):
        plan_study(workspace, StudyOptions(pairs=20))
    other = plan_study(workspace, StudyOptions(pairs=20, per_rater=50, name="other"))
    assert other.study.comparisons == found.study.comparisons


def test_flagged_images_are_not_shown(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", flag=lambda row: row["model"] == "alpha")
    found = plan_study(workspace, StudyOptions(pairs=12))
    assert (found.study.models, found.possible, found.flagged) == (["beta", "gamma"], 12, 12)


def test_images_that_the_recipe_drops_are_not_shown(tmp_path: Path) -> None:
    workspace = making.build(
        tmp_path / "set", text=fixtures.recipe(more='[ranking]\ndrop = "marks"\n')
    )
    every = take_inventory(workspace).candidates().sort("candidate_id")
    alpha = every.filter(pl.col("model") == "alpha")["candidate_id"].to_list()
    prompt = every.filter(pl.col("candidate_id") == alpha[0])["prompt_id"].item()
    marks = [f"[candidates.{one}]\ndrop = true\n" for one in alpha[:-1]]
    workspace.store.write(
        "marks.toml", "".join([*marks, f"[prompts.{prompt}]\ndrop = true\n"]).encode()
    )
    out = {*alpha[:-1], *every.filter(pl.col("prompt_id") == prompt)["candidate_id"]}
    for options in ({"pairs": 13}, {"pairs": 4, "from_ranking": True}):
        found = plan_study(workspace, StudyOptions(checks=1, **options))  # type: ignore[arg-type]
        ids = [*found.study.by_id, *found.study.checks_by_id]
        shown = {p.candidate_id for one in ids for p in found.study.pictures_of(one)}
        assert not shown & out
        assert (found.dropped, found.flagged) == (len(out), 0)
    with pytest.raises(WorkspaceError, match=rf"only 13 pairs .*\({len(out)} dropped images left"):
        plan_study(workspace, StudyOptions(pairs=14))


@pytest.mark.parametrize(("change", "share"), [
    ({}, 0.05), ({"checks": 0.1}, 0.1), ({"questions": ["overall"]}, 0.05),
    ({"questions": ["appeal", "alignment"]}, 0.05), ({"per_rater": 50, "checks": 0.1}, 0.1),
])  # fmt: skip
def test_a_rater_gets_the_share_of_checks_that_is_asked_for(
    tmp_path: Path, change: dict[str, object], share: float
) -> None:
    workspace = making.build(tmp_path / "set", prompts=40)
    study = plan_study(workspace, StudyOptions(pairs=120, **change)).study  # type: ignore[arg-type]
    real = study.per_rater or 120 * len(study.questions)
    with (
        Votes(tmp_path / "votes.db", create=True) as votes,
        closing(Assignments(tmp_path / "assignments.db")) as assignments,
    ):
        total = Asking(study, assignments, votes).place("0" * 32).total
    assert total == real + round(0.05 * real) + round(share * real)


@pytest.mark.parametrize(("change", "message", "hint"), [
    ({"pairs": 37}, "only 36 pairs", "at most 36"),
    ({"models": ["alpha", "bet"]}, "'bet' has no images here. Did you mean 'beta'", "alpha"),
    ({"models": ["alpha"]}, "only alpha", "--from-ranking"),
    ({"models": ["alpha", "alpha"]}, "named twice", "two others"),
    ({"questions": ["overal"]}, "no question 'overal'. Did you mean 'overall'", "appeal"),
    ({"questions": ["appeal", "appeal"]}, "appeal is named twice", "once"),
    ({"questions": []}, "none is named", "overall"),
    ({"name": "../x"}, "small letters", "folder"),
    ({"name": "ingested"}, "labels of that name are others", "another --name"),
    ({"name": "study_argilla"}, "labels of that name are others", "another --name"),
    ({"name": "study_rapidata"}, "labels of that name are others", "another --name"),
    ({"from_ranking": True, "pairs": 25}, "only 16 pairs", "at most 16"),
    ({"from_ranking": True, "models": ["alpha", "beta"]}, "--models and --from-ranking", "one"),
])  # fmt: skip
def test_what_cannot_be_asked_is_named(
    workspace: Workspace, change: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(SynpicError) as caught:
        plan_study(workspace, StudyOptions(**{"pairs": 5, **change}))  # type: ignore[arg-type]
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_before_images_are_drawn_the_step_that_draws_them_is_named(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", keep=nothing)
    with pytest.raises(SynpicError, match="no images to compare yet") as caught:
        plan_study(workspace, StudyOptions(pairs=5))
    assert "synpic generate" in str(caught.value.hint)


def nothing(row: dict[str, object]) -> bool:
    return False


def test_a_question_of_the_recipe(tmp_path: Path) -> None:
    own = '\n[study.questions.photo]\ntext = "Which looks like a photograph?"\nprompt = false\n'
    workspace = making.build(tmp_path / "set", text=fixtures.recipe(more=own))
    study = plan_study(workspace, StudyOptions(pairs=5, questions=["photo"])).study
    assert [(one.text, one.shows_prompt) for one in study.questions] == [
        ("Which looks like a photograph?", False)
    ]
    assert study.check_comparisons == []  # nothing would say to which prompt an image belongs
    broken = making.build(tmp_path / "broken")
    text = broken.store.read("recipe.toml").decode() + own.replace("prompt = false", "prompts = 1")
    broken.store.write("recipe.toml", text.encode())
    with pytest.raises(RecipeError, match="prompts"):
        plan_study(broken, StudyOptions(pairs=5))


def test_a_damaged_or_newer_file_is_named(workspace: Workspace) -> None:
    path = write_study(workspace, plan_study(workspace, StudyOptions(pairs=5)).study)
    text = path.read_text()
    path.write_text(text.replace('"alpha"', '"alpha"', 1)[:-200])
    with pytest.raises(WorkspaceError, match=r"study\.json: not JSON"):
        open_study(workspace, "study")
    found = json.loads(text)
    path.write_text(json.dumps({**found, "prompts": {}}))
    with pytest.raises(WorkspaceError, match="is not in prompts"):
        open_study(workspace, "study")
    path.write_text(text.replace('"alpha"', '"gamma"', 1))
    with pytest.raises(WorkspaceError, match="not what was written"):
        open_study(workspace, "study")
    path.write_text(json.dumps({**found, "schema_version": 2, "more": 1}))
    with pytest.raises(NewerSchema, match="schema_version is 2"):
        open_study(workspace, "study")
    with pytest.raises(WorkspaceError, match=r"no study 'stud'.*Did you mean 'study'"):
        open_study(workspace, "stud")


def test_an_address_holds_no_study(workspace: Workspace) -> None:
    workspace.store = Workspace("memory://set").store
    with pytest.raises(StorageError, match="needs a folder of this machine"):
        plan_study(workspace, StudyOptions(pairs=5))


def test_the_command(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace.folder)
    ended = in_process("study", "new", "--pairs", 6, "--checks", "10%", "--dry-run")
    assert "6 comparisons of 36 possible, of 6 prompts: 6 at equal seed" in ended.stdout
    assert "Nothing was written." in ended.stdout
    ended = in_process("study", "new", "--pairs", 6, "--repeats", "0.5", "--json")
    made = json.loads(ended.stdout)
    assert Path(made["written"]) == Path(workspace.store.path("study/study/study.json"))
    assert open_study(workspace, "study").repeats == 0.5
    ended = in_process("study", "new", "--pairs", 6, "--checks", "5 %", "--name", "x")
    assert ended.exit_code == 1
    assert "not a share" in str(ended.exception)
