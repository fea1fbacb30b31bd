"""Any judge as a reward: its verdict in both forms, from a recipe and in Python."""

from __future__ import annotations

import io

import polars as pl
import pytest

import synpic
from synpic import Workspace, generate_candidates, score_candidates, validate
from synpic.errors import RecipeError, RewardError, SynpicError, UnknownName
from synpic.pipeline.inventory import take_inventory
from synpic.serve.opening import rewards_of_recipe
from synpic.shapes.scene import Scene, Thing, to_image
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe, edit
from tests.score.test_judging_task import suite_of
from tests.serve.loopback import loopback

BOTH = """
[judges.right]
judge = "tests.fake_judges:{judge}"

[rewards.how_right]
judge = "tests.fake_judges:{judge}"

[rewards.all_right]
judge = "tests.fake_judges:{judge}"
options = {{ form = "strict" }}
"""
RED_CIRCLE = Thing("circle", "red", 3, 3, 11)
BLUE_STAR = Thing("star", "blue", 18, 18, 11)
PICTURES = [
    to_image(Scene(background, things))
    for background, things in (
        ("grey", (RED_CIRCLE,)),
        ("grey", (RED_CIRCLE, BLUE_STAR)),
        ("grey", (BLUE_STAR,)),
    )
]


@pytest.fixture
def drawn(workspace: Workspace, recipe: MakeRecipe) -> Workspace:
    """Ten prompts with two images each, judged by a reward of each form and by the judge."""
    drawn = edit(workspace, recipe(more=BOTH.format(judge="Batched")))
    generate_candidates(drawn)
    return drawn


def with_reward(workspace: Workspace, recipe: MakeRecipe, written: str) -> Workspace:
    return edit(workspace, recipe(more=f"[rewards.x]\n{written}\n"))


def test_the_world_s_judge_gives_the_share_of_its_parts_or_its_verdict() -> None:
    graded = synpic.reward("judged", judge="shapes")
    assert graded.score("a red circle", PICTURES) == [1.0, 0.5, 0.0]
    strict = synpic.reward("judged", judge="shapes", form="strict")
    assert strict.score("a red circle", PICTURES) == [1.0, 0.0, 0.0]
    assert graded.info.score_range == "0 … 1"
    with pytest.raises(RewardError, match="no form 'correct'"):
        synpic.reward("judged", judge="shapes", form="correct")
    with pytest.raises(RewardError, match="reads prompts of the embedded world alone"):
        graded.score("a horse", PICTURES[:1])


def test_scores_are_those_of_the_judge_in_the_same_workspace(drawn: Workspace) -> None:
    suite_of(drawn)
    score_candidates(drawn)
    found = take_inventory(drawn)
    verdicts = found.verdicts("right").sort("candidate_id")
    scored = found.scored().sort("candidate_id")
    assert scored["score_how_right"].to_list() == verdicts["score"].to_list()
    assert scored["score_all_right"].to_list() == verdicts["correct"].cast(pl.Float64).to_list()
    assert 0 < verdicts["correct"].sum() < 20
    decides = {one.name: one.fingerprint_inputs for one in found.rewards}
    assert decides["how_right"]["judge"] == "tests.fake_judges:Batched"
    assert decides["how_right"]["version"] == 3
    assert decides["how_right"]["suite"] == {"name": "mine", "version": "1"}
    assert "judge" not in decides["red"]


def test_a_function_is_told_by_its_text(drawn: Workspace, recipe: MakeRecipe) -> None:
    workspace = edit(drawn, recipe(more=BOTH.format(judge="reddish")))
    score_candidates(workspace)
    found = take_inventory(workspace)
    verdicts = found.verdicts("right").sort("candidate_id")["correct"].cast(pl.Float64).to_list()
    scored = found.scored().sort("candidate_id")
    assert scored["score_how_right"].to_list() == scored["score_all_right"].to_list() == verdicts
    reward, judge = found.rewards[2], found.judges[0]
    source = reward.fingerprint_inputs["source"]
    assert source
    assert source == judge.fingerprint_inputs["source"]


def test_a_prompt_that_does_not_say_what_is_asked_is_one_error(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    workspace = with_reward(drawn, recipe, 'judge = "tests.fake_judges:NeedsQuestions"')
    says = "rewards.x: prompt 'prompt 0-0': it has no questions"
    (problem,) = [one for one, _ in validate(workspace).problems if "rewards.x" in one]
    assert problem == says
    ended = in_process("-C", drawn.store.root, "score", "--device", "cpu")
    assert "rewards.x: prompt 'prompt 0-" in str(ended.exception)
    scored = take_inventory(workspace).scored()
    assert scored["score_red"].count() == 20, "other rewards go on"


@pytest.mark.parametrize(
    ("written", "error", "says"),
    [
        ('judge = "shapes"\nreward = "hpsv2"', RecipeError, "reward: a judge as a reward takes"),
        ('judge = "shapes"\nendpoint = "http://a"', RecipeError, "judge: a reward that a server"),
        ('judge = "nothing"', UnknownName, "rewards.x: unknown judge 'nothing'"),
        ('judge = "hpsv2"', UnknownName, "'hpsv2' is a reward, not a judge"),
        ('judge = "shapes"\ncheckpoint = "a/b"', RewardError, "loads no weights"),
        ('judge = "shapes"\noptions = { a = 1 }', RewardError, "it takes: judge, form"),
        ('judge = "tests.fake_judges:SIDE"', UnknownName, "SIDE"),
        ('reward = "judged"', RewardError, "rewards.x: no judge is named"),
    ],
)
def test_what_is_no_judge_is_one_error(
    drawn: Workspace, recipe: MakeRecipe, written: str, error: type[SynpicError], says: str
) -> None:
    with pytest.raises(error) as caught:
        score_candidates(with_reward(drawn, recipe, written))
    assert says in f"{caught.value.message} {caught.value.hint}"


def taken(asked: object, image: object, form: str = "") -> bool:
    return True


def test_a_judge_with_an_option_of_that_name_is_refused() -> None:
    with pytest.raises(RewardError, match="has an option form"):
        synpic.reward("judged", judge=f"{__name__}:taken")


def test_one_behind_an_endpoint_is_asked_and_counted_as_such(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    written = 'judge = "vlm_questions_endpoint"\n'
    written += 'options = { model = "m", endpoint = "http://localhost:9/v1" }\n'
    workspace = with_reward(drawn, recipe, written)
    suite_of(workspace, {"questions": [{"id": str(n), "text": "Is it red?"} for n in (1, 2)]})
    reward = take_inventory(workspace).rewards[2]
    assert reward.fingerprint_inputs["endpoint"] == "chat completions"
    assert "endpoint" not in reward.fingerprint_inputs["options"]
    ended = in_process("-C", drawn.store.root, "score", "--dry-run", "--only", "x")
    assert "40 questions" in ended.stdout


def test_a_server_has_the_fingerprint_of_the_workspace_and_scores_alike(drawn: Workspace) -> None:
    suite_of(drawn)
    snapshot = drawn.snapshot()
    served = rewards_of_recipe(snapshot)
    there = {one.name: one.fingerprint for one in take_inventory(drawn).rewards}
    described = served.described({})
    assert {name: one.fingerprint for name, one in described.items()} == there
    assert described["how_right"].reward == "tests.fake_judges:Batched"
    opened = synpic.reward("judged", judge="shapes").opened
    data = [io.BytesIO() for _ in PICTURES]
    for file, picture in zip(data, PICTURES, strict=True):
        picture.save(file, "PNG")
    with loopback({"right": opened}) as server:
        answer = server.score(["a red circle"] * 3, [one.getvalue() for one in data])
        assert answer.json() == {"scores": {"right": [1.0, 0.5, 0.0]}, "errors": []}
