"""Judges, through the commands; and killed at work."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.pipeline.inventory import take_inventory
from synpic.readers.images import decode
from synpic.score.judges.judge import Requirement
from synpic.workspace import tables
from synpic.workspace.suite import write_suite
from tests.cli.conftest import Run, Start, in_process
from tests.conftest import MakeRecipe, corrupt_parts, edit
from tests.fake_judges import reddish

JUDGE = """
[judges.right]
judge = "tests.fake_judges:{}"
batch_size = 8
"""


@pytest.fixture
def drawn(workspace: Workspace, recipe: MakeRecipe) -> Workspace:
    """Ten prompts with three images each."""
    drawn = edit(workspace, recipe(samples=2, more=JUDGE.format("Batched")))
    generate_candidates(drawn)
    return drawn


def said(workspace: Workspace, *words: object) -> str:
    ended = in_process("-C", workspace.store.root, *words)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_verdicts_are_counted_before_they_are_given(drawn: Workspace) -> None:
    assert "30 verdicts by right" in said(drawn, "validate")
    assert "30 verdicts to give." in said(drawn, "score", "--dry-run")
    tasks = [json.loads(line) for line in said(drawn, "score", "--dry-run", "--json").splitlines()]
    assert [(one["name"], one["to_do"]) for one in tasks[1]["tasks"]] == [("right", 30)]
    whole = said(drawn, "plan", "--no-calibrate")
    assert "30 verdicts by judges, of which 30 are still to come." in whole
    score_candidates(drawn, only=["right"])
    planned = json.loads(said(drawn, "plan", "--json", "--batches", "1", "--device", "cpu"))
    (item,) = [one for one in planned["items"] if one["stage"] == "judge"]
    assert (item["name"], item["wanted"], item["left"], item["problem"]) == ("right", 30, 0, None)
    assert item["timing"]["failed"] == 0
    assert (planned["whole"]["verdicts"], planned["left"]["verdicts"]) == (30, 0)
    # Nothing that was timed is kept.
    assert status(drawn).counts[-1].done == 30


def test_status_says_what_is_right_and_what_is_next(drawn: Workspace) -> None:
    score_candidates(drawn, only=["red", "blue"])
    shown = said(drawn, "status")
    assert "30 missing. Next: synpic score" in shown
    report = said(drawn, "score", "--device", "cpu")
    rows = take_inventory(drawn).verdicts("right")
    line = f"right: {rows['correct'].sum()} of 30 images right ({rows['correct'].mean():.1%})"
    assert line in report.splitlines()
    shown = said(drawn, "status")
    assert line in shown.splitlines()
    assert "Complete." in shown
    assert "Every file is whole" in said(drawn, "status", "--verify")


def test_repair_sets_a_damaged_part_aside(drawn: Workspace) -> None:
    score_candidates(drawn)
    (part,) = [part for folder in drawn.folders("verdicts") for part in drawn.parts(folder)]
    path = Path(drawn.store.path(part))
    path.write_bytes(path.read_bytes()[:-5])
    assert in_process("-C", drawn.store.root, "status", "--verify").exit_code == 4
    assert "verdicts/right" in said(drawn, "repair")
    assert "30 missing. Next: synpic score" in said(drawn, "status")
    said(drawn, "score", "--device", "cpu")
    assert "Complete." in said(drawn, "status")


def test_validate_names_the_item_that_cannot_be_judged(drawn: Workspace) -> None:
    prompts = take_inventory(drawn).prompts["prompt_id"]
    row = {"suite": "mine", "version": "1", "tag": "", "spec": '{"impossible": 1}'}
    rows = [{**row, "prompt_id": one, "item": f"item {at}"} for at, one in enumerate(prompts)]
    write_suite(drawn, pa.Table.from_pylist(rows, tables.SUITE))
    ended = in_process("-C", drawn.store.root, "validate")
    assert ended.exit_code == 1
    assert "judges.right: item 'item 0': nothing can judge this" in ended.stderr
    planned = in_process("-C", drawn.store.root, "plan", "--no-calibrate")
    assert "item 'item 0': nothing can judge this" in str(planned.exception)
    dry = in_process("-C", drawn.store.root, "score", "--dry-run")
    assert "item 'item 0': nothing can judge this" in dry.stdout


def test_a_recipe_of_judges_alone(drawn: Workspace) -> None:
    text = drawn.store.read("recipe.toml").decode()
    head, _, _ = text.partition("[rewards.red]")
    workspace = edit(drawn, head + JUDGE.format("Batched"))
    shown = said(workspace, "validate")
    assert "images can be drawn and judged, but not ranked" in shown
    assert "score" not in shown.partition("30 verdicts by right")[0].splitlines()[-1]
    assert "scores to give" not in said(workspace, "score", "--dry-run")
    said(workspace, "score", "--device", "cpu")
    assert status(workspace).complete
    assert "Complete. Next: synpic eval" in said(workspace, "status")


def test_nothing_of_a_judge_is_ranked_or_published(
    drawn: Workspace, recipe: MakeRecipe, tmp_path: Path
) -> None:
    """Nor is a judge needed for either: also where its code is gone."""
    score_candidates(drawn)
    said(drawn, "publish", "--to", tmp_path / "with")
    said(edit(drawn, recipe(samples=2)), "publish", "--to", tmp_path / "without")
    text = recipe(samples=2, more=JUDGE.format("gone_for_good"))
    lost = edit(drawn, text)
    ended = in_process("-C", lost.store.root, "publish", "--to", tmp_path / "lost")
    assert ended.exit_code == 0, ended.output
    assert "not found: judges.right" in said(lost, "status")
    folders = [tmp_path / name for name in ("with", "without", "lost")]
    files = [
        {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*.parquet")}
        for folder in folders
    ]
    assert files[0]
    assert files[0] == files[1] == files[2]


def test_what_there_is_is_listed() -> None:
    names = {row["name"]: row for row in json.loads(in_process("list", "judges", "--json").stdout)}
    assert names["shapes"]["summary"].startswith("shapes world")
    assert "shapes" in in_process("list", "judges").stdout
    shown = in_process("list", "judges", "tests.fake_judges:Batched").output
    assert "options       above = 0.503" in shown
    unknown = in_process("list", "judges", "shap")
    assert unknown.exit_code == 1
    assert "unknown judge 'shap'" in str(unknown.exception)


@pytest.mark.slow
def test_killed_it_goes_on(tmp_path: Path, recipe: MakeRecipe, run: Run, start: Start) -> None:
    """Killed at work, twice: every image is judged once, and no part is damaged."""
    text = recipe(prompts=100, samples=2, more=JUDGE.format("slow"))
    head, _, rest = text.partition("[rewards.red]")
    workspace = Workspace.create(tmp_path / "set", head + "[judges" + rest.partition("[judges")[2])
    generate_candidates(workspace)
    done = []
    for wait in (0.0, 0.4):
        process = start("-C", workspace.store.root, "score", "--device", "cpu")
        while not parts(workspace) and process.poll() is None:
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done.append(status(workspace).counts[-1].done)
    assert 0 < done[0] <= done[1]
    assert done[0] < 300
    assert run("score", "-C", workspace.store.root, "--device", "cpu").returncode == 0
    (count,) = [one for one in status(workspace).counts if one.stage == "judge"]
    assert (count.done, count.doubled, count.missing, count.failed) == (300, 0, 0, 0)
    assert corrupt_parts(workspace) == []
    # Not resolved on reading: no image was judged twice.
    assert (
        sum(pq.read_metadata(workspace.store.path(one)).num_rows for one in parts(workspace)) == 300
    )
    inventory = take_inventory(workspace)
    rows = inventory.verdicts("right")
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    pictures = map(decode, workspace.images(inventory.image_folders()).read(keys))
    assert rows["correct"].to_list() == [reddish(Requirement(""), one) for one in pictures]


def parts(workspace: Workspace) -> list[str]:
    return [part for folder in workspace.folders("verdicts") for part in workspace.parts(folder)]
