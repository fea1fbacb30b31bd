"""``synpic agree``, through the command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from synpic.errors import SynpicError
from synpic.ids import fingerprint
from synpic.pipeline.inventory import take_inventory
from synpic.rank import guards, rank
from synpic.workspace import Workspace
from synpic.workspace.labels import as_labels, write_labels
from tests.cli.conftest import in_process
from tests.publish.fixtures import build, hashed_score, recipe

Prefers = Callable[[dict[str, Any], dict[str, Any]], float | None]


def label(
    workspace: Workspace, prefers: Prefers, source: str = "ingested", question: str = "overall"
) -> None:
    """Labels of every pair: the share of the left is what ``prefers`` gives."""
    rows = take_inventory(workspace).scored().sort("prompt_id", "candidate_id")
    pairs = [
        {
            "prompt_id": left["prompt_id"],
            "left": left["candidate_id"],
            "right": right["candidate_id"],
            "question": question,
            "share": prefers(left, right),
            "n": 3,
            "kind": "person",
        }
        for of_prompt in rows.partition_by("prompt_id", maintain_order=True)
        for left, right in itertools.combinations(of_prompt.iter_rows(named=True), 2)
    ]
    write_labels(workspace, source, {"of": question}, as_labels(pl.DataFrame(pairs)))


def by_redness(left: dict[str, Any], right: dict[str, Any]) -> float:
    return 2 / 3 if left["score_redness"] > right["score_redness"] else 1 / 3


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", text=recipe(samples=2))


def agree(workspace: Workspace, *words: object) -> dict[str, Any]:
    result = in_process("-C", workspace.store.root, "agree", *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_reward_that_people_follow_is_always_right(workspace: Workspace) -> None:
    label(workspace, by_redness)
    found = agree(workspace)
    (question,) = found["questions"]
    pairs = 5 * 15  # of six images a prompt
    assert (question["pairs"], question["judged"], question["ties"]) == (pairs, pairs, 0)
    rows = {row["judge"]: row for row in found["rows"]}
    assert list(rows) == ["redness", "greenness", "φ", "φ without redness", "φ without greenness"]
    assert rows["redness"]["value"] == 1.0
    assert 0.2 < rows["redness"]["low"] < 1.0
    # φ of one reward alone has its order.
    assert rows["φ without greenness"]["value"] == 1.0
    assert rows["φ without redness"]["value"] == rows["greenness"]["value"]
    assert rows["redness"]["fingerprint"] == found["rewards"]["redness"]
    assert rows["φ"]["difference"] is None
    assert rows["redness"]["difference"]["value"] == pytest.approx(1 - rows["φ"]["value"])


def test_phi_is_the_ranking_s(workspace: Workspace) -> None:
    label(workspace, by_redness)
    scored = take_inventory(workspace).scored()
    table = rank(scored, {"redness": 1.0, "greenness": 1.0}).table
    phi = dict(table.select("candidate_id", "preference").iter_rows())
    score = dict(scored.select("candidate_id", "score_redness").iter_rows())
    outcomes = [
        0.5 if phi[a] == phi[b] else float((phi[a] > phi[b]) == (score[a] > score[b]))
        for _, of_prompt in scored.group_by("prompt_id")
        for a, b in itertools.combinations(of_prompt["candidate_id"], 2)
    ]
    (row,) = [row for row in agree(workspace)["rows"] if row["judge"] == "φ"]
    assert row["value"] == pytest.approx(sum(outcomes) / len(outcomes))
    assert row["ties"] == outcomes.count(0.5)


def test_sources_questions_and_models_apart(workspace: Workspace, tmp_path: Path) -> None:
    label(workspace, by_redness)
    label(
        workspace,
        lambda left, right: 1.0 if left["score_greenness"] > right["score_greenness"] else 0.0,
        "study",
        "alignment",
    )
    found = agree(workspace, "--by-models", "--to", tmp_path / "pairs.csv")
    assert [(one["labels"], one["question"]) for one in found["questions"]] == [
        ("ingested", "overall"),
        ("study", "alignment"),
    ]
    of_all = {
        (row["labels"], row["judge"]): row["value"]
        for row in found["rows"]
        if row["models"] is None
    }
    assert of_all["ingested", "redness"] == of_all["study", "greenness"] == 1.0
    models = {tuple(row["models"]) for row in found["rows"] if row["models"]}
    assert models == set(itertools.combinations_with_replacement(["alpha", "beta", "gamma"], 2))
    of_models = [
        row["n"]
        for row in found["rows"]
        if row["models"] and (row["labels"], row["judge"]) == ("study", "φ")
    ]
    assert sum(of_models) == 75
    table = pl.read_csv(tmp_path / "pairs.csv")
    assert table.height == 150
    assert table["right.redness"].sum() == pytest.approx(
        75 + 75 * of_all["study", "redness"], abs=1e-6
    )
    only = agree(workspace, "--labels", "study", "--question", "alignment")
    assert [row["labels"] for row in only["rows"]] == ["study"] * 5


def test_for_people(workspace: Workspace) -> None:
    label(workspace, lambda left, right: 0.5 if left["sample"] == right["sample"] else 1.0)
    result = in_process("-C", workspace.store.root, "agree")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "labels ingested (person), question overall: 75 pairs of 5 prompts" in text
    assert "30 tied by people" in text
    assert "one vote with the others" in text
    assert "φ: win-rate of redness × 1, greenness × 1" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--labels", "studdy"], "no labels of 'studdy'"),
        (["--question", "beauty"], "no label answers the question 'beauty'"),
        (["--question", "overall", "--question", "overal"], "Did you mean 'overall'?"),
        (["--to", "pairs.xlsx"], "unknown kind of file"),
    ],
)
def test_what_is_not_there_is_named(workspace: Workspace, words: list[str], says: str) -> None:
    label(workspace, by_redness)
    result = in_process("-C", workspace.store.root, "agree", *words)
    assert result.exit_code != 0
    assert result.exception is not None
    assert says in str(result.exception)


def test_without_labels_or_scores(tmp_path: Path) -> None:
    unlabelled = build(tmp_path / "one")
    result = in_process("-C", unlabelled.store.root, "agree")
    assert "has no labels" in str(result.exception)
    unlabelled.store.write("study/colours/study.json", b"{}")
    result = in_process("-C", unlabelled.store.root, "agree")
    assert isinstance(result.exception, SynpicError)
    assert "synpic study export --name colours" in str(result.exception.hint)
    unscored = build(tmp_path / "two", score=no_score)
    label(unscored, lambda left, right: 1.0)
    result = in_process("-C", unscored.store.root, "agree")
    assert "no reward has scored an image" in str(result.exception)


def no_score(reward: str, row: dict[str, Any]) -> float | None:
    return None


def test_labels_and_their_fingerprint_are_of_one_part(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that was killed has left the labels of before: the last ones count, and alone."""
    label(workspace, by_redness, question="overall")
    with monkeypatch.context() as patched:
        patched.setattr(type(workspace.store), "remove", lambda *_: None)
        label(workspace, by_redness, question="appeal")
    assert len(workspace.folders("labels")) == 2
    found = agree(workspace)
    assert {row["question"] for row in found["rows"]} == {"appeal"}
    assert {row["labels_fingerprint"] for row in found["rows"]} == {fingerprint({"of": "appeal"})}


def test_scores_are_checked_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    label(workspace, by_redness)
    checked: list[str] = []
    check = guards.refuse_untrustworthy

    def counted(scored: pl.DataFrame, rewards: Sequence[str]) -> None:
        checked.extend(rewards)
        check(scored, rewards)

    for place in ("synpic.rank.eligible", "synpic.evaluate.agree"):
        monkeypatch.setattr(f"{place}.refuse_untrustworthy", counted)
    agree(workspace)
    assert sorted(checked) == ["greenness", "redness"]


@pytest.mark.parametrize("ranking", ["", '[ranking]\nrewards = ["redness"]\n'])
def test_scores_that_mean_nothing_are_refused(tmp_path: Path, ranking: str) -> None:
    """Also those of a reward that does not rank."""
    made = build(tmp_path / "set", text=recipe(samples=2, more=ranking), score=one_of_greenness)
    label(made, by_redness)
    result = in_process("-C", made.store.root, "agree")
    assert "reward 'greenness' gave all 30 candidates" in str(result.exception)


def one_of_greenness(reward: str, row: dict[str, Any]) -> float:
    return 1.0 if reward == "greenness" else hashed_score(reward, row)


def test_people_who_rank_are_no_judge_of_themselves(tmp_path: Path) -> None:
    people = '[rewards.people]\nlabels = "ingested"\n'
    workspace = build(tmp_path / "set", text=recipe(samples=2, more=people))
    label(workspace, by_redness)
    found = agree(workspace)
    assert found["weights"] == {"redness": 1.0, "greenness": 1.0}
    assert "people" not in {row["judge"] for row in found["rows"]}


def test_pairs_that_lack_a_score_are_counted(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", score=some_scores)
    label(workspace, lambda left, right: 1.0)
    (question,) = agree(workspace)["questions"]
    assert question["pairs"] == 15
    assert question["unscored"] == 10  # of three images of a prompt, one lacks a score
    assert question["judged"] == 5


def some_scores(reward: str, row: dict[str, Any]) -> float | None:
    return (
        None
        if (reward, row["model"]) == ("redness", "gamma")
        else len(row["model"]) + row["seed"] % 7
    )
