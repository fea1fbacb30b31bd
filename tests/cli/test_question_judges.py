"""``synpic score`` with a judge that asks a suite's questions: killed, resumed, counted."""

from __future__ import annotations

import json
import math
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from synpic import Workspace
from synpic.errors import RewardError
from synpic.evaluate.question_scores import AnsweredItem, question_scores
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import score_candidates
from synpic.pipeline.tasks import judging_tasks
from synpic.score.forecast_questions import questions_to_ask
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.verdict import VerdictPart
from synpic.workspace import tables
from synpic.workspace.suite import write_suite
from tests.cli.conftest import Start, in_process, start
from tests.publish.fixtures import build
from tests.score.endpoint_server import Gate, Reply, completion, content, kept, served

__all__ = ["start"]

RECIPE = """
[prompts]
file = "prompts.txt"

[models.alpha]
checkpoint = "./weights/alpha"
samples = 2

[judges.asks]
judge = "vlm_questions_endpoint"
batch_size = 4
options = {{ rule = "{}", model = "owner/model", endpoint = {{ url = "{}", concurrency = 4 }} }}
"""
PROMPTS = [(f"picture {number}", "train") for number in range(6)]
IMAGES = 12
QUESTIONS = 3
CANARIES = 2
"""The first question of an endpoint, and that of every judge: their grey images differ in size."""


def spec(number: int) -> dict[str, Any]:
    return {
        "questions": [
            {"id": "1", "text": f"Is there a picture {number}?", "category": "entity"},
            {"id": "2", "text": "Is it red?", "parents": ["1"], "category": "color"},
            {"id": "3", "text": "Is it green?", "parents": ["1"], "category": "color"},
        ]
    }


def made(root: Path, url: str, rule: str = "dpg") -> Workspace:
    build(root, PROMPTS, text=RECIPE.format(rule, url), score=lambda *_: None)
    workspace = Workspace.open(root)
    rows = [
        {
            "prompt_id": prompt_id,
            "suite": "mine",
            "version": "1",
            "item": prompt[-1],
            "tag": "",
            "spec": json.dumps(spec(int(prompt[-1]))),
        }
        for prompt_id, prompt in take_inventory(workspace)
        .prompts.select("prompt_id", "prompt")
        .iter_rows()
    ]
    write_suite(workspace, pa.Table.from_pylist(rows, tables.SUITE))
    return workspace


def answer(body: dict[str, Any]) -> Reply:
    """Picture 3 is not there, nothing is green, and there is no elephant."""
    text = content(body)
    no = any(word in text for word in ("elephant", "picture 3?", "green"))
    likely, other = ("No", "Yes") if no else ("Yes", "No")
    return 200, completion({likely: math.log(0.8), other: math.log(0.1)})


def verdicts(root: Path) -> pl.DataFrame:
    return take_inventory(Workspace.open(root)).verdicts("asks").sort("candidate_id")


def test_a_suite_is_judged_killed_resumed_and_counted(tmp_path: Path, start: Start) -> None:
    answered = 9
    gate = Gate(answered, answer)
    with served(gate) as server:
        root = tmp_path / "killed"
        made(root, server.url)
        child = start("score", cwd=root)
        deadline = time.monotonic() + 60
        # Some answers are on the disk, in the middle of a batch, and others are waited for.
        while kept(root) < answered or len(server.asked) < answered + 4:
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not list(root.glob("verdicts/*/*.parquet"))
        under_way = {content(body) for body in list(server.asked)[answered:]}
        gate.open()
        assert start("score", cwd=root).wait() == 0
        asked = Counter(map(content, server.asked))
        assert all(times == (2 if one in under_way else 1) for one, times in asked.items())
        assert len(asked) == IMAGES * QUESTIONS + CANARIES

    rows = verdicts(root)
    absent = rows["prompt"] == "picture 3"
    assert rows["score"].to_list() == [0 if gone else pytest.approx(2 / 3) for gone in absent]
    assert not rows["correct"].any()
    (reason,) = rows.filter(absent)["reason"].unique()
    assert reason == (
        "Is there a picture 3? no; Is it red? yes, but it depends on: Is there a picture 3?; "
        "Is it green? no"
    )
    items = [
        AnsweredItem(
            questions_of(spec(int(prompt[-1]))),
            [[VerdictPart(**part) for part in parts] for parts in group["parts"].to_list()],
        )
        for (prompt,), group in rows.group_by("prompt", maintain_order=True)
    ]
    found = question_scores(items, "dpg")
    assert found.score == pytest.approx((5 * 2 / 3 + 0) / 6)
    assert (found.items, found.images, found.missing_images) == (6, 12, 0)
    assert found.yes == pytest.approx((5 * 2 + 1) / (6 * 3))
    assert found.categories["color"].value == pytest.approx(5 / 12)


def test_another_rule_asks_nothing_again_and_questions_are_forecast(tmp_path: Path) -> None:
    with served(answer) as server:
        workspace = made(tmp_path, server.url)
        tasks, _ = judging_tasks(workspace)
        snapshot = workspace.snapshot()
        (asked,) = questions_to_ask(snapshot, tasks, lambda: take_inventory(snapshot).candidates())
        assert (asked.reward, asked.questions) == ("asks", IMAGES * QUESTIONS)
        said = in_process("-C", tmp_path, "score", "--dry-run").output
        assert f"{IMAGES * QUESTIONS} questions" in said
        assert server.asked == []
        score_candidates(workspace)
        assert len(server.asked) == IMAGES * QUESTIONS + CANARIES
        (tmp_path / "recipe.toml").write_text(RECIPE.format("soft-tifa-gm", server.url))
        score_candidates(Workspace.open(tmp_path))
        assert len(server.asked) == IMAGES * QUESTIONS + CANARIES
    soft = verdicts(tmp_path)
    assert soft["correct"].null_count() == IMAGES
    there = soft.filter(pl.col("prompt") == "picture 1")["score"]
    assert there.to_list() == pytest.approx([(0.8 * 0.8 * 0.1) ** (1 / 3)] * 2, rel=1e-5)


def test_a_model_that_says_yes_to_everything_judges_nothing(tmp_path: Path) -> None:
    with served(lambda body: (200, completion({"Yes": -0.1, "No": -3.0}))) as server:
        workspace = made(tmp_path, server.url)
        (outcome,) = score_candidates(workspace).outcomes
    assert isinstance(outcome.broken, RewardError)
    assert "says that a plain grey picture shows 'a red elephant" in outcome.broken.message
    assert len(server.asked) == CANARIES
    assert not list(tmp_path.glob("verdicts/*/*.parquet"))


def test_a_question_of_one_s_own_lies_in_a_file_and_is_part_of_the_fingerprint(
    tmp_path: Path,
) -> None:
    with served(answer) as server:
        workspace = made(tmp_path, server.url)
        plain = take_inventory(workspace).judges[0].fingerprint
        text = (tmp_path / "recipe.toml").read_text()
        text = text.replace('rule = "dpg"', 'rule = "dpg", question = { file = "q.txt" }')
        (tmp_path / "recipe.toml").write_text(text)
        found = []
        for wording in ("Look: {}", "Yes or no: {}"):
            (tmp_path / "q.txt").write_text(f"{wording}\n")
            workspace = Workspace.open(tmp_path)
            found.append(take_inventory(workspace).judges[0].fingerprint)
        score_candidates(workspace)
    assert len({plain, *found}) == 3
    assert all(one.endswith("?") and "Yes or no: " in one for one in server.texts())
