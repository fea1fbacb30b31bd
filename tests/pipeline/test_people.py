"""People as a reward in the steps of a workspace: scored never, counted and ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from synpic import score_candidates, status, validate
from synpic.errors import RankingError, RecipeError, WorkspaceError
from synpic.pipeline.comparisons import read_comparisons
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.ranking import rank_candidates, ranking_for_people
from synpic.pipeline.tasks import scoring_tasks
from synpic.rank import Coverage, rank
from synpic.score.forecast import weights_to_fetch
from synpic.workspace import Workspace
from synpic_cli.rank import rank as rank_command
from synpic_cli.status import status as status_command
from tests.conftest import edit
from tests.publish.fixtures import TWO_SPLITS, build, recipe, scored
from tests.publish.people import PEOPLE, Pair, label_pairs

ALONE = '[ranking]\nrewards = ["people"]\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", text=recipe(more=PEOPLE))


def in_some(pair: Pair) -> bool:
    """All of two prompts, one pair of a third, none of the others."""
    place = [prompt for prompt, _ in TWO_SPLITS].index(pair[0]["prompt"])
    return place < 2 or (place == 2 and {one["model"] for one in pair} == {"alpha", "beta"})


def test_people_enter_algorithm_1_where_they_compared_every_pair(workspace: Workspace) -> None:
    label_pairs(workspace, keep=in_some)
    ranked = rank_candidates(workspace)
    weights = {"redness": 1.0, "greenness": 1.0, "people": 2.0}
    assert ranked.ranking.weights == weights
    assert ranked.ranking.absent == {"people": 3}
    by_hand = rank(
        scored(workspace),
        weights,
        comparisons=read_comparisons(
            take_inventory(workspace), ["people"], take_inventory(workspace).candidates()
        ),
    )
    assert by_hand.table.equals(ranked.ranking.table)
    wins = ranked.ranking.table.group_by("prompt_id").agg(pl.col("wins_people").null_count())
    assert sorted(wins["wins_people"]) == [0, 0, 3, 3, 3]
    shown = ranking_for_people(ranked)
    assert "wins_people" in shown.columns
    assert "score_people" not in shown.columns


def test_people_alone_rank_every_image_of_the_prompts_that_they_compared(tmp_path: Path) -> None:
    made = build(tmp_path / "set", text=recipe(more=PEOPLE + ALONE), score=unscored)
    label_pairs(made, keep=in_some)
    counts = rank_candidates(made).ranking.counts
    assert (counts.kept_prompts, counts.without_preference, counts.incomplete) == (2, 3, 0)
    fitted = edit(made, recipe(more=PEOPLE + ALONE + 'aggregation = "bradley-terry"'))
    counts = rank_candidates(fitted).ranking.counts
    assert (counts.kept_prompts, counts.without_preference, counts.incomplete) == (3, 2, 1)


def unscored(reward: str, row: dict[str, Any]) -> None:
    return None


def test_nothing_of_people_is_scored(workspace: Workspace, tmp_path: Path) -> None:
    tasks, broken = scoring_tasks(workspace)
    assert ([task.name for task in tasks], broken) == (["redness", "greenness"], [])
    assert weights_to_fetch(workspace, workspace.snapshot().recipe.scoring) == []
    with pytest.raises(RecipeError, match="people ranks by labels of pairs"):
        score_candidates(workspace, only=["people"])
    alone = edit(workspace, recipe().split("[rewards")[0] + PEOPLE)
    with pytest.raises(RecipeError, match="no reward that scores images: people ranks by labels"):
        score_candidates(alone)


def test_status_and_validate_say_what_is_labelled(workspace: Workspace) -> None:
    (found,) = status(workspace).labels.rewards
    assert found.prompts == Coverage(0, 0, 5)
    assert "no labels of 'study'" in str(found.problem)
    (note,) = (note for note in validate(workspace).notes if "rewards.people" in note)
    assert "no labels of 'study'" in note
    assert "synpic study export --to labels" in note

    label_pairs(workspace, keep=in_some)
    (found,) = status(workspace).labels.rewards
    assert (found.labels, found.pairs, found.prompts) == (7, 7, Coverage(2, 1, 2))
    assert not any("people" in one.name for one in status(workspace).counts)
    assert json.loads(json.dumps(status(workspace).as_dict()))["labels"]["rewards"] == [
        {
            "name": "people",
            "source": "study",
            "question": "overall",
            "labels": 7,
            "pairs": 7,
            "prompts": {"every": 2, "some": 1, "none": 2},
            "problem": None,
        }
    ]
    assert any(
        "rewards.people ranks by labels of 'study': 7 pairs" in note
        for note in validate(workspace).notes
    )


def test_what_people_cannot_rank_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(
        WorkspaceError, match=r"rewards.people: .* has no labels of 'study'"
    ) as none:
        rank_candidates(workspace)
    assert "synpic study export --to labels" in str(none.value.hint)
    label_pairs(workspace, keep=lambda pair: {one["model"] for one in pair} == {"alpha", "beta"})
    asked = edit(workspace, recipe(more=PEOPLE + 'question = "appeal"'))
    with pytest.raises(RankingError, match=r"rewards.people: no label of study .* 'appeal'"):
        rank_candidates(asked)
    assert any("'appeal'" in problem for problem, _ in validate(asked).problems)
    alone = edit(workspace, recipe(more=PEOPLE + ALONE))
    with pytest.raises(
        RankingError, match=r"people compares every pair .* none of 5 prompts"
    ) as few:
        rank_candidates(alone)
    assert "bradley-terry" in str(few.value.hint)
    scores = edit(workspace, recipe(more=PEOPLE + '[ranking]\naggregation = "mean-zscore"'))
    with pytest.raises(RankingError, match="'mean-zscore' ranks by scores"):
        rank_candidates(scores)
    assert any("'mean-zscore'" in problem for problem, _ in validate(scores).problems)


def test_commands_count_the_prompts_of_people(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_pairs(workspace, keep=in_some)
    monkeypatch.chdir(workspace.folder)
    said = run("rank").output
    assert "people takes part in 2 prompts, and not in 3" in said
    assert "bradley-terry takes those that are there" in said
    assert "all others" in said
    (people,) = json.loads(run("rank", "--json").stdout)["comparisons"].items()
    assert people == (
        "people",
        {"labels": "study", "question": "overall", "tie": 0.0, "prompts": 2, "absent": 3},
    )
    said = run("status").output
    assert "labels: people: 7 pairs; every pair of 2 prompts, some of 1, none of 2" in said


def run(*words: str) -> Result:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(rank_command)
    app.command()(status_command)
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    return ended
