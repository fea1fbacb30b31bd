"""Comparers, through the commands; and killed at work."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from synpic import Workspace, generate_candidates, score_candidates, status
from tests.cli.conftest import Run, Start, in_process
from tests.conftest import MakeRecipe, corrupt_parts, edit

VERSUS = """
[rewards.versus]
comparer = "tests.fakes:redder"
{}
"""


@pytest.fixture
def drawn(workspace: Workspace, recipe: MakeRecipe) -> Workspace:
    drawn = edit(workspace, recipe(samples=2, more=VERSUS.format("")))
    generate_candidates(drawn)
    return drawn


def said(workspace: Workspace, *words: object) -> str:
    ended = in_process("-C", workspace.store.root, *words)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_questions_are_counted_before_they_are_asked(drawn: Workspace, recipe: MakeRecipe) -> None:
    assert "comparer versus: 60 questions, two for a pair" in said(drawn, "validate")
    shown = said(drawn, "score", "--dry-run")
    assert "30 pairs to compare: 60 questions. `synpic plan` times them." in shown
    whole = said(drawn, "plan", "--no-calibrate")
    assert "60 questions to comparers, two for each pair of images, of which 60" in whole
    edit(drawn, recipe(samples=2, more=VERSUS.format('pairs = "adjacent"')))
    found = said(drawn, "validate")
    assert "comparer versus: 40 questions" in found
    assert "rewards.versus takes no part in a prompt of more than two images" in found
    assert "10 prompts none has all of them" in said(drawn, "score", "--dry-run")


def test_a_plan_times_them(drawn: Workspace) -> None:
    score_candidates(drawn, only=["versus"])
    plan = json.loads(said(drawn, "plan", "--device", "cpu", "--json"))
    (item,) = [one for one in plan["items"] if one["stage"] == "compare"]
    assert (item["wanted"], item["left"], item["problem"]) == (30, 0, None)
    assert item["timing"]["images_per_second"] > 0
    assert (plan["whole"]["questions"], plan["left"]["questions"]) == (60, 0)
    assert plan["whole"]["images"] == 30


def test_status_and_rank_say_what_compared(drawn: Workspace) -> None:
    assert "80 missing. Next: synpic score" not in said(drawn, "status")
    score_candidates(drawn)
    shown = said(drawn, "status")
    assert "versus: position bias +0.00 (1: the first image always wins)" in shown
    assert "Complete." in shown
    assert "versus takes part in 10 prompts" in said(drawn, "rank")
    counts = json.loads(said(drawn, "status", "--json"))["counts"]
    assert counts[-1]["stage"] == "compare"
    assert counts[-1]["remarks"]


def test_neighbours_of_a_prompt_that_several_shards_score(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    edit(drawn, recipe(samples=2, more=VERSUS.format('pairs = "adjacent"')))
    for share in ("1/2", "2/2"):
        ended = in_process("-C", drawn.store.root, "score", "--shard", share)
        assert ended.exit_code == 0, ended.output
        if share == "1/2":
            assert "run it once more when every shard has scored" in ended.output
    for share in ("1/2", "2/2"):
        assert in_process("-C", drawn.store.root, "score", "--shard", share).exit_code == 0
    assert "Complete." in said(drawn, "status")


def test_a_comparer_that_takes_no_part_is_named_when_ranked_again(
    drawn: Workspace, recipe: MakeRecipe, tmp_path: Path
) -> None:
    more = VERSUS.format('pairs = "adjacent"') + '[ranking]\naggregation = "bradley-terry"\n'
    edit(drawn, recipe(samples=2, more=more))
    score_candidates(drawn)
    assert in_process("-C", drawn.store.root, "publish", "--to", tmp_path / "out").exit_code == 0
    assert "versus takes part in 10 prompts\n" in said(drawn, "re-rank", tmp_path / "out")
    words = ("re-rank", tmp_path / "out", "--aggregation", "win-rate")
    assert "versus takes part in 0 prompts, and not in 10" in said(drawn, *words)
    assert json.loads(said(drawn, *words, "--json"))["comparisons"]["versus"]["absent"] == 10


def test_what_there_is_is_listed() -> None:
    names = {
        row["name"]: row for row in json.loads(in_process("list", "comparers", "--json").stdout)
    }
    assert {"shapes_compare", "vlm_compare", "vlm_compare_endpoint"} <= names.keys()
    assert names["vlm_compare"]["checkpoint"] == "Qwen/Qwen3-VL-8B-Instruct"
    shown = in_process("list", "comparers", "tests.fakes:redder").output
    assert "options       sharpness = 20.0" in shown
    unknown = in_process("list", "comparers", "vlm_compar")
    assert unknown.exit_code == 1


@pytest.mark.slow
def test_killed_it_goes_on(tmp_path: Path, recipe: MakeRecipe, run: Run, start: Start) -> None:
    """One comparer ends, and the next is killed at work: what is made is whole, and made once."""
    slow = '[rewards.slow]\ncomparer = "tests.fakes:slow_redder"\nbatch_size = 4\n'
    text = recipe(prompts=60, samples=2, more=VERSUS.format("") + slow)
    workspace = Workspace.create(tmp_path / "set", text)
    generate_candidates(workspace)
    score_candidates(workspace, only=["red", "blue"])
    for _ in range(3):
        process = start("-C", workspace.store.root, "score", "--device", "cpu")
        while not workspace.folders("comparisons") and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert run("score", "-C", workspace.store.root, "--device", "cpu").returncode == 0
    found = [one for one in status(workspace).counts if one.stage == "compare"]
    assert [(one.done, one.doubled, one.missing) for one in found] == [(180, 0, 0)] * 2
    assert corrupt_parts(workspace) == []
    versus, again = map(workspace.comparisons, workspace.folders("comparisons"))
    assert again["probability"].equals(versus["probability"])
