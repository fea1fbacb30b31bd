"""``synpic score`` with a reward that asks an endpoint: killed, resumed, forecast; no key shown."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from synpic import Workspace
from synpic.pipeline.inventory import take_inventory
from tests.cli.conftest import Run, Start, in_process, run, start
from tests.publish.fixtures import build
from tests.score.endpoint_server import (
    Gate,
    Reply,
    Served,
    completion,
    content,
    kept,
    served,
)

__all__ = ["run", "start"]

RECIPE = """
[prompts]
file = "prompts.txt"

[models.alpha]
checkpoint = "./weights/alpha"
samples = 4

[rewards.judge]
reward = "vlm_yes_endpoint"
batch_size = 8
options = {{ model = "owner/model", endpoint = {{ url = "{}", concurrency = 4 }} }}
"""
PROMPTS = [(f"picture {number}", "train") for number in range(10)]
IMAGES = 40
FIRST = 1
"""The question about a grey image."""


def answer(body: dict[str, Any]) -> Reply:
    """Odds that follow from the question."""
    share = int(hashlib.sha256(content(body).encode()).hexdigest()[:8], 16) / 2**32
    return 200, completion({"Yes": -0.1 - share, "No": -2 - share * share, "The": -9.0})


def unscored(*_: object) -> None:
    """Of a workspace in which nothing is scored."""


def scores(root: Path) -> dict[str, float]:
    rows = take_inventory(Workspace.open(root)).scored().select("candidate_id", "score_judge")
    return dict(rows.iter_rows())


def asked(server: Served) -> Counter[str]:
    return Counter(map(content, server.asked))


def test_killed_and_resumed_no_question_is_asked_twice(tmp_path: Path, start: Start) -> None:
    with served(answer) as server:
        build(tmp_path / "whole", PROMPTS, text=RECIPE.format(server.url), score=unscored)
        assert start("score", cwd=tmp_path / "whole").wait() == 0
        assert sorted(asked(server).values()) == [1] * (IMAGES + FIRST)

    answered = 17
    gate = Gate(answered, answer)
    with served(gate) as server:
        root = tmp_path / "killed"
        build(root, PROMPTS, text=RECIPE.format(server.url), score=unscored)
        child = start("score", cwd=root)
        deadline = time.monotonic() + 60
        # Some answers are on the disk, in the middle of a batch, and others are waited for.
        while kept(root) < answered or len(server.asked) < answered + 4:
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not list(root.glob("scores/*/*.parquet"))
        before = list(server.asked)
        gate.open()
        assert start("score", cwd=root).wait() == 0
        under_way = {content(body) for body in before[answered:]}
        for question, times in asked(server).items():
            assert times == (2 if question in under_way else 1)
        assert len(server.asked) == IMAGES + FIRST + len(under_way)
    whole = scores(tmp_path / "whole")
    assert scores(root) == whole
    # They are read where the server is elsewhere, and the reward's code away.
    text = RECIPE.format("$ELSEWHERE").replace("vlm_yes_endpoint", "away:judge")
    (root / "recipe.toml").write_text(text)
    assert scores(root) == whole


def test_an_image_without_an_answer_is_a_failure_row_and_asked_again_by_wish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = True

    def reply(body: dict[str, Any]) -> Reply:
        if silent and "picture 3" in content(body):
            return 200, completion({"The": -0.1, "A": -2.5})
        return answer(body)

    with served(reply) as server:
        build(tmp_path, PROMPTS, text=RECIPE.format(server.url), score=unscored)
        monkeypatch.chdir(tmp_path)
        in_process("score", "--device", "cpu")
        # Batches of which an image failed are judged image by image, and not asked anew.
        assert sorted(asked(server).values()) == [1] * (IMAGES + FIRST)
        failures = Workspace.open(tmp_path).failures("score")
        assert failures.height == 4
        assert set(failures["reason"].str.contains("neither 'Yes' nor 'No' is among")) == {True}
        assert sum(score is None for score in scores(tmp_path).values()) == 4
        before = len(server.asked)
        in_process("score", "--device", "cpu")
        assert len(server.asked) == before
        silent = False
        in_process("score", "--device", "cpu", "--retry-failed")
        assert len(server.asked) == before + 4
    assert None not in scores(tmp_path).values()


def test_ctrl_c_keeps_what_was_answered(tmp_path: Path, start: Start) -> None:
    gate = Gate(12, answer)
    with served(gate) as server:
        build(tmp_path, PROMPTS, text=RECIPE.format(server.url), score=unscored)
        child = start("score", cwd=tmp_path)
        deadline = time.monotonic() + 60
        while len(server.asked) < 16:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)
        gate.open()
        assert child.wait(60) == 130
        # The batch that was under way is scored; of the next, nothing was asked.
        assert len(server.asked) < IMAGES
        assert start("score", cwd=tmp_path).wait() == 0
        assert sorted(asked(server).values()) == [1] * (IMAGES + FIRST)


def test_a_dry_run_says_what_would_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, PROMPTS, text=RECIPE.format("http://127.0.0.1:9/v1"), score=unscored)
    monkeypatch.chdir(tmp_path)
    found = in_process("score", "--dry-run").output
    assert "40 questions" in found
    as_json = in_process("score", "--dry-run", "--json").output.splitlines()
    (questions,) = (row for row in map(json.loads, as_json) if "questions" in row)
    (row,) = questions["questions"]
    assert (row["reward"], row["model"], row["questions"]) == ("judge", "owner/model", 40)
    assert row["bytes"] > 40 * 24 * 24
    assert row["tokens"] > 40 * 10


def test_an_endpoint_that_is_away_breaks_the_reward_and_no_image(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-secret-0123456789abcdefghij"
    monkeypatch.setenv("SYNPIC_TEST_KEY", key)
    with served(lambda body: (401, {"error": f"bad key: {key}"})) as server:
        text = RECIPE.format(server.url).replace(
            "concurrency", 'key = "$SYNPIC_TEST_KEY", concurrency'
        )
        build(tmp_path, PROMPTS, text=text, score=unscored)
        ended = run("score", cwd=tmp_path)
    assert ended.returncode != 0
    output = ended.stdout + ended.stderr
    assert "refuses to answer: HTTP 401" in output
    assert "SYNPIC_TEST_KEY" in output
    assert "Traceback" not in output
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes(), file
    assert key not in output
    assert not list(tmp_path.glob("failures/*"))


def test_validate_finds_a_mistake_in_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = RECIPE.format("$SYNPIC_NO_SUCH_URL")
    build(tmp_path, PROMPTS, text=text, score=unscored)
    monkeypatch.chdir(tmp_path)
    found = in_process("validate")
    assert found.exit_code
    assert "$SYNPIC_NO_SUCH_URL names an environment variable that is empty" in found.output
