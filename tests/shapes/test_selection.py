"""What ranking selects, on a workspace whose images are rendered and whose truth is known."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from synpic.pipeline.ranking import rank_candidates
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import to_image
from synpic.shapes.selection import Share, judged, main, picked, reward_accuracy, study, verdict
from synpic.workspace import Workspace
from tests.publish.fixtures import build, recipe

PROMPTS = [(text, "train") for text, _ in prompts(12, 0, "train")]


def right(row: dict[str, Any]) -> bool:
    """Which candidates show their prompt: those of the model alpha, and gamma's every other one."""
    return row["model"] == "alpha" or (
        row["model"] == "gamma" and int(row["candidate_id"][0], 16) % 2 == 0
    )


def draw(row: dict[str, Any]) -> bytes:
    from synpic import ids

    prompt = next(text for text, _ in PROMPTS if ids.prompt_id(text) == row["prompt_id"])
    shown = prompt if right(row) else ("a star" if prompt != "a star" else "two circles")
    rng = np.random.default_rng(int(row["candidate_id"][:8], 16))
    file = io.BytesIO()
    to_image(illustrate(parse(shown), rng)).save(file, "PNG")
    return file.getvalue()


def score(reward: str, row: dict[str, Any]) -> float:
    """redness knows the truth, greenness the contrary, but for half as much."""
    truth = float(right(row))
    return truth if reward == "redness" else -truth


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    text = recipe(more='[ranking]\nrewards = ["redness"]\n')
    root = tmp_path_factory.mktemp("study") / "set"
    return build(root, PROMPTS, text=text, draw=draw, score=score)


def test_the_judge_says_what_was_drawn(workspace: Workspace) -> None:
    table = judged(rank_candidates(workspace))
    # A star passes where "a star" was asked for on any background; nothing else is left to chance.
    expected = [right(row) for row in table.iter_rows(named=True)]
    assert table["passes"].to_list() == expected


def test_what_rules_pick(workspace: Workspace) -> None:
    table = judged(rank_candidates(workspace))
    found = verdict(table)
    assert found["oracle"].share == found["best by φ"].share == 1.0  # alpha is always right
    by_prompt: dict[str, list[bool]] = {}
    for row in table.iter_rows(named=True):
        by_prompt.setdefault(row["prompt_id"], []).append(row["passes"])
    chance = float(np.mean([np.mean(passes) for passes in by_prompt.values()]))
    assert found["random"].share == pytest.approx(chance)
    assert found["worst by φ"].share == 0.0  # beta is always wrong
    assert picked(table, pl.col("score_greenness")).share == 0.0
    assert found["random"].low < chance < found["random"].high


def test_how_often_a_reward_agrees_with_the_judge(workspace: Workspace) -> None:
    table = judged(rank_candidates(workspace))
    assert reward_accuracy(table, "score_redness") == 1.0
    assert reward_accuracy(table, "score_greenness") == 0.0
    level = table.with_columns(score_level=pl.lit(1.0))
    assert reward_accuracy(level, "score_level") == 0.5
    assert reward_accuracy(table.with_columns(passes=pl.lit(True)), "score_redness") is None


def test_the_study_names_everything(workspace: Workspace) -> None:
    found = study(rank_candidates(workspace))
    assert (found["prompts"], found["candidates"]) == (12, 36)
    assert found["models"]["alpha"]["share"] == 1.0
    assert found["models"]["beta"]["share"] == 0.0
    assert found["rewards"]["redness"]["ranks"] is True
    assert found["rewards"]["greenness"]["ranks"] is False
    # With both at equal weights whoever is alone wins two pairs: right where gamma is wrong.
    gamma = found["models"]["gamma"]["share"]
    assert found["picked"]["best by φ of all rewards"]["share"] == pytest.approx(1 - gamma)
    assert {row["tau"] for row in found["agreement"]} <= {1.0, -1.0}


def test_the_command_writes_json(workspace: Workspace, tmp_path: Path) -> None:
    main([str(workspace.store.root), "--json", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text())["prompts"] == 12


def test_a_share_has_its_interval() -> None:
    share = Share.of(pl.Series([1.0, 0.5, 0.0, 0.5]))
    assert share.share == 0.5
    assert share.low < 0.5 < share.high
