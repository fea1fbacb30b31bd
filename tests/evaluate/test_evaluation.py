"""``synpic eval``, through the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from synpic import ids, score_candidates
from synpic.errors import EvaluationError
from synpic.evaluate.trained_with import LabelledBy, Trail, trail
from synpic.pipeline.inventory import take_inventory
from synpic.recipe import JudgeSettings, RewardSettings
from synpic.release.asked import asked_judge
from synpic.release.cards.training_prompts import TRAINING_PROMPTS, write_training_prompts
from synpic.score.judges.wanted import resolve_judge
from synpic.score.reward import WantedReward, resolve_reward
from synpic.train.data.records import read_records
from synpic.workspace import Workspace
from synpic.workspace.lock import RecipeLock
from synpic.workspace.storage import Store
from tests.cli.conftest import in_process
from tests.conftest import edit
from tests.pipeline.test_cuts import with_meta
from tests.publish.fixtures import REWARDS, build, hashed_score, recipe
from tests.release.cards.facts import about as about_training
from tests.train.material import data, release

PROMPTS = [(f"{count} red circles", "train") for count in range(30)]


def two_models(root: Path, **more: Any) -> Workspace:
    return build(root, PROMPTS, text=recipe(("alpha", "beta"), samples=2), **more)


def better(reward: str, row: dict[str, Any]) -> float:
    """By redness beta is far better; by greenness neither is."""
    return hashed_score(reward, row) + 2 * (reward == "redness" and row["model"] == "beta")


def evaluated(workspace: Workspace, *words: object) -> dict[str, Any]:
    result = in_process("-C", workspace.store.root, "eval", *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def row(found: dict[str, Any], reward: str, model: str, tag: str = "overall") -> dict[str, Any]:
    (one,) = [
        result
        for measure in found["measures"]
        if measure["metric"] == reward
        for result in measure["results"]
        if (result["model"], result["tag"]) == (model, tag)
    ]
    return dict(one)


def test_what_is_better_is_found_and_what_is_not_is_not(tmp_path: Path) -> None:
    workspace = two_models(tmp_path / "set", score=better)
    found = evaluated(workspace)
    assert (found["base"], found["prompts"], found["items"]) == ("alpha", 30, 60)
    assert found["same_seed"] == 60
    red, green = row(found, "redness", "beta"), row(found, "greenness", "beta")
    assert red["difference"]["seen"]
    assert red["difference"]["win_rate"]["value"] == 1
    assert red["difference"]["p_holm"] < 0.01
    assert not green["difference"]["seen"]
    assert green["difference"]["units_to_see"] > 30
    scored = take_inventory(workspace).scored().sort("prompt_id", "sample")
    of = {
        name: scored.filter(model=name)["score_greenness"].to_numpy().astype(float)
        for name in ("alpha", "beta")
    }
    assert green["difference"]["mean"]["value"] == pytest.approx(np.mean(of["beta"] - of["alpha"]))
    wins = np.mean(of["beta"] > of["alpha"])
    assert green["difference"]["win_rate"]["value"] == pytest.approx(wins)
    # The other way round everything has the other sign.
    back = row(evaluated(workspace, "--base", "beta"), "greenness", "alpha")["difference"]
    assert back["mean"]["value"] == pytest.approx(-green["difference"]["mean"]["value"])


def test_it_is_said_in_words_and_written(tmp_path: Path) -> None:
    workspace = two_models(tmp_path / "set", score=better)
    words = ("-C", workspace.store.root, "eval", "--to", tmp_path / "report")
    result = in_process(*words)
    assert "beta against alpha: 30 prompts, 60 images of each model" in result.output
    assert "paired by prompt and seed" in result.output
    drawn = "2 images a prompt, size, steps, guidance, scheduler of the pipeline; seeds from 0"
    assert f"All models drawn alike: {drawn}; prompts not rewritten." in result.output
    assert "beta − alpha, redness (unknown): +2" in result.output
    assert ": better" in result.output
    page = (tmp_path / "report/report.md").read_text("utf-8")
    assert page.startswith("# beta against alpha\n")
    assert "| redness | unknown | +2" in page
    table = json.loads((tmp_path / "report/report.json").read_text("utf-8"))
    assert table == evaluated(workspace)
    assert "there is a report already" in refused(workspace, *words[3:])
    assert in_process(*words, "--overwrite").exit_code == 0
    (tmp_path / "report/mine.txt").touch()
    assert "it holds mine.txt" in refused(workspace, *words[3:], "--overwrite")
    only = in_process("-C", workspace.store.root, "eval", "--reward", "greenness").output
    assert "no difference seen in 30 prompts; about " in only
    assert "redness" not in only


def test_what_is_missing_makes_it_partial(tmp_path: Path) -> None:
    def score(reward: str, one: dict[str, Any]) -> float | None:
        lost = one["model"] == "beta" and one["sample"] == 0
        return None if lost else better(reward, one)

    workspace = two_models(tmp_path / "set", score=score)
    found = evaluated(workspace)
    beta = row(found, "greenness", "beta")
    assert (beta["missing"], beta["mean"]["n"]) == (30, 30)
    assert row(found, "greenness", "alpha")["missing"] == 0
    # The second image is compared with the second, also where the first is missing.
    scored = take_inventory(workspace).scored().filter(sample=1).sort("prompt_id")
    of = {name: scored.filter(model=name)["score_greenness"] for name in ("alpha", "beta")}
    assert beta["difference"]["mean"]["value"] == pytest.approx((of["beta"] - of["alpha"]).mean())
    text = in_process("-C", workspace.store.root, "eval").output
    assert "Partial: no score of up to 30 images of a model" in text


def test_tags_are_apart_and_overall_comes_first(tmp_path: Path) -> None:
    workspace = with_meta(two_models(tmp_path / "set", score=better), kind=["few", "many"] * 15)
    to = tmp_path / "отчёт ☃"
    text = in_process("-C", workspace.store.root, "eval", "--tag", "kind", "--to", to).output
    assert "few" in text
    found = json.loads((to / "report.json").read_text("utf-8"))
    assert found["tag"] == "kind"
    tags = [one["tag"] for one in found["measures"][0]["results"] if one["model"] == "beta"]
    assert tags[0] == "overall"
    assert sorted(tags[1:]) == ["few", "many"]
    whole = row(found, "redness", "beta")
    assert whole["difference"]["p_holm"] is None
    # Two rewards times two tags are corrected together.
    assert row(found, "redness", "beta", "few")["difference"]["p_holm"] <= 4 * 0.0002
    assert whole["mean"]["n"] == 60
    parts = [row(found, "redness", "beta", tag)["mean"] for tag in ("few", "many")]
    assert [one["n"] for one in parts] == [30, 30]
    assert whole["mean"]["value"] == pytest.approx(np.mean([one["value"] for one in parts]))


def test_tags_that_others_wrote_are_shown_and_do_nothing(tmp_path: Path) -> None:
    evil = "[click](javascript:x) | <img src=x>"
    workspace = with_meta(two_models(tmp_path / "set", score=better), kind=[evil, "many"] * 15)
    to = tmp_path / "report"
    assert (
        in_process("-C", workspace.store.root, "eval", "--tag", "kind", "--to", to).exit_code == 0
    )
    page = (to / "report.md").read_text("utf-8")
    assert evil not in page
    assert "\\[click\\](javascript:x) \\| &lt;img" in page


def test_three_models_have_strengths(tmp_path: Path) -> None:
    workspace = build(tmp_path / "three", PROMPTS, text=recipe())
    found = evaluated(workspace)
    points = [one["points"]["value"] for one in found["measures"][0]["strengths"]]
    assert sum(points) == pytest.approx(3000)
    assert (
        "Bradley–Terry by redness: alpha " in in_process("-C", workspace.store.root, "eval").output
    )


def record(rewards: dict[str, str] | None) -> str:
    """``training.json`` of a model that was trained on a set that these ranked."""
    dataset = about_training()["dataset"] | ({} if rewards is None else {"rewards": rewards})
    return json.dumps(about_training(dataset=dataset))


@pytest.mark.parametrize(
    ("labelled", "headline", "trails"),
    [
        (("redness",), "greenness", ("in training", "held out")),
        (REWARDS, None, ("in training", "in training")),
        (None, "redness", ("unknown", "unknown")),
    ],
)
def test_a_reward_that_labelled_the_training_set_never_stands_first(
    tmp_path: Path,
    labelled: Sequence[str] | None,
    headline: str | None,
    trails: Sequence[str],
) -> None:
    known = {one.name: one.fingerprint for one in take_inventory(build(tmp_path / "any")).rewards}
    rewards = None if labelled is None else {name: known[name] for name in labelled}
    workspace = two_models(
        tmp_path / "set", score=better, beside={"beta/training.json": record(rewards)}
    )
    found = evaluated(workspace)
    assert found["headline"] == {"beta": headline}
    assert tuple(row(found, reward, "beta")["trail"] for reward in REWARDS) == trails
    assert row(found, "redness", "alpha")["trail"] == "unknown"
    said = in_process("-C", workspace.store.root, "eval").output
    assert ("beta: no held-out reward" in said) is (headline is None)


JUDGED = """
[rewards.liked]
judge = "tests.fake_judges:Batched"
"""


def test_the_judge_that_ranked_a_release_never_stands_first_for_who_learns_from_it(
    tmp_path: Path,
) -> None:
    """From the release, through what training reads of it, to the table of an evaluation."""
    out = release(tmp_path / "ranked", text=recipe(more=JUDGED))
    source = read_records(data(out)).source
    assert list(source.judges.values()) == ["tests.fake_judges:Batched"]
    about = about_training()
    learnt = {"rewards": dict(source.rewards or {}), "judges": dict(source.judges)}
    about["dataset"] = about["dataset"] | learnt
    judge = '[judges.right]\njudge = "tests.fake_judges:Batched"\n'
    workspace = build(
        tmp_path / "set",
        PROMPTS,
        text=recipe(("alpha", "beta"), judge).replace("fixtures:redness", "fixtures:blueness"),
        beside={"beta/training.json": json.dumps(about)},
    )
    score_candidates(workspace, only=["right"])
    found = evaluated(workspace)
    assert [row(found, one, "beta")["trail"] for one in ("right", "greenness")] == [
        "in training",
        "in training",
    ]
    assert found["headline"] == {"beta": "redness"}
    said = in_process("-C", workspace.store.root, "eval").output
    assert "in training: the reward, or a form of the judge, labelled" in said


def test_a_reward_with_other_settings_than_that_of_training_is_not_held_out() -> None:
    one, other = {"reward": "a"}, {"reward": "b"}
    known = LabelledBy({"hpsv2": ids.fingerprint(one)})
    assert trail("hpsv2", one, known) == "in training"
    assert trail("mine", one, known) == "in training"
    assert trail("hpsv2", other, known) == "unknown"
    assert trail("pickscore", other, known) == "held out"
    assert trail("pickscore", other, None) == "unknown"


def test_geneval_as_a_reward_is_its_judge_s(tmp_path: Path) -> None:
    for name in ("detector", "clip"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(name)
    lock = RecipeLock(Store(tmp_path))
    given: dict[str, Any] = {"checkpoint": "./detector", "options": {"clip": "./clip"}}
    judge = resolve_judge("geneval", JudgeSettings(**given), lock)
    reward = resolve_reward("geneval", RewardSettings(**given), lock)
    named = resolve_reward("x", RewardSettings(judge="geneval", **given), lock)
    found = {asked_judge(one.fingerprint_inputs) for one in (judge, reward, named)}
    assert len(found) == 1
    assert found != {None}


def test_a_judge_of_which_a_form_ranked_the_training_set_is_marked(tmp_path: Path) -> None:
    """By what decides its verdicts, of whatever suite; and so is every other form of it."""
    lock = RecipeLock(Store(tmp_path))
    suite = {"name": "of training", "version": "1"}
    ranked = resolve_reward(
        "geneval", RewardSettings(judge="shapes"), lock, suite
    ).fingerprint_inputs
    judge, identity = asked_judge(ranked) or ("", "")
    known = LabelledBy({"geneval": ids.fingerprint(ranked)}, {identity: judge})

    def of(name: str, settings: RewardSettings | JudgeSettings) -> Trail:
        if isinstance(settings, JudgeSettings):
            found: WantedReward = resolve_judge(name, settings, lock)
        else:
            found = resolve_reward(name, settings, lock)
        return trail(name, found.fingerprint_inputs, known)

    assert of("strict", JudgeSettings(judge="shapes")) == "in training"
    strict = RewardSettings(judge="shapes", options={"form": "strict"})
    assert of("strict", strict) == "in training"
    assert of("alike", RewardSettings(judge="tests.fake_judges:reddish")) == "held out"
    fussy = {"judge": "tests.fake_judges:fussy"}
    decides = resolve_judge("fussy", JudgeSettings(**fussy), lock).fingerprint_inputs
    judge, identity = asked_judge(decides) or ("", "")
    known = LabelledBy({}, {identity: judge})
    assert of("fussy", RewardSettings(**fussy)) == "in training"
    assert of("fussy", RewardSettings(**fussy, options={"hates": "cats"})) == "unknown"


def test_a_tag_called_overall_is_refused(tmp_path: Path) -> None:
    workspace = with_meta(two_models(tmp_path / "set", score=better), kind=["overall", "many"] * 15)
    assert "column 'kind' of the prompts holds 'overall'" in refused(workspace, "--tag", "kind")


def test_a_record_of_training_that_cannot_be_read_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = two_models(tmp_path / "set", score=better, beside={"beta/training.json": "{"})
    assert row(evaluated(workspace), "redness", "beta")["trail"] == "unknown"
    assert "models.beta: " in caplog.text
    assert "its training is unknown" in caplog.text


def test_prompts_that_a_model_was_trained_on_are_counted_and_left_out(tmp_path: Path) -> None:
    write_training_prompts(tmp_path, ["0 red circles", "1 red circles", "2 RED circles!", "a fox"])
    record = {f"beta/{TRAINING_PROMPTS}": (tmp_path / TRAINING_PROMPTS).read_text()}
    workspace = two_models(tmp_path / "set", score=better, beside=record)
    found = evaluated(workspace)
    assert found["trained_on"] == {"beta": {"exact": 2, "folded": 1, "at_checkpoints": 0}}
    (measure,) = (one for one in found["measures"] if one["metric"] == "redness")
    (others,) = (one for one in measure["without_training_prompts"] if one["model"] == "beta")
    scored = take_inventory(workspace).scored().sort("prompt_id", "sample")
    left = scored.filter(~pl.col("prompt").is_in([f"{n} red circles" for n in range(3)]))
    of = {name: left.filter(model=name)["score_redness"] for name in ("alpha", "beta")}
    expected = (of["beta"] - of["alpha"]).mean()
    assert others["difference"]["mean"]["value"] == pytest.approx(expected)
    assert (others["mean"]["n"], others["mean"]["clusters"]) == (54, 27)
    text = in_process("-C", workspace.store.root, "eval").output
    assert "beta was trained on 3 of 30 prompts (2 word for word). On the 27 that no" in text


def refused(workspace: Workspace, *words: object) -> str:
    result = in_process("-C", workspace.store.root, "eval", *words)
    assert isinstance(result.exception, EvaluationError), result.output
    return result.exception.message


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    workspace = two_models(tmp_path / "set", score=better)
    assert "no model 'betta'. Did you mean 'beta'?" in refused(workspace, "--base", "betta")
    assert "the recipe has no judge and no reward 'rednes'. Did you mean" in refused(
        workspace, "--reward", "rednes"
    )
    assert "the prompts have no column 'sort'" in refused(workspace, "--tag", "sort")
    bare = build(tmp_path / "bare", PROMPTS, text=recipe(("alpha",), samples=2))
    assert "the recipe has 1 of the two models" in refused(bare)
    unscored = build(tmp_path / "unscored", text=recipe(), score=no_score)
    assert "no judge and no reward has seen an image here" in refused(unscored)
    text = "shared_seeds = false\n" + recipe(("alpha", "beta"), samples=2)
    twins = edit(workspace, text.replace("weights/beta", "weights/alpha"))
    assert "models 'alpha' and 'beta' are the same" in refused(twins)


def no_score(reward: str, row: dict[str, Any]) -> None:
    assert reward in REWARDS
