"""Rewards of one's own that exit, print, fork, move or reseed: a run stays a run."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL.Image import Image

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.pipeline.inventory import take_inventory
from synpic.score.reward import RewardInfo
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe, edit
from tests.fakes import redness


def exits(prompt: str, image: Image) -> float:
    sys.exit(0)


def prints(prompt: str, image: Image) -> float:
    print("{a line that is no JSON")
    return redness(prompt, image)


def moves(prompt: str, image: Image) -> float:
    os.chdir("/")
    return redness(prompt, image)


def forks(prompt: str, image: Image) -> float:
    child = os.fork()
    if child == 0:
        os._exit(3)
    os.waitpid(child, 0)
    return redness(prompt, image)


def reseeds(prompt: str, image: Image) -> float:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    image.putpixel((0, 0), (255, 255, 255))  # what others see of it must stay as it was
    return redness(prompt, image)


class ExitsWhenOpened:
    info = RewardInfo(summary="exits")

    def __init__(self) -> None:
        sys.exit(0)

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        raise AssertionError


@pytest.fixture
def drawn(tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    text = recipe(prompts=8)
    generate_candidates(Workspace.create(tmp_path / "set", text), device="cpu")
    return text


def scored(tmp_path: Path, text: str, reward: str) -> tuple[int, list[dict[str, object]], str]:
    """Exit code, objects on stdout, stderr; of a run of ``reward`` beside another one."""
    text = text.replace("tests.fakes:redness", f"tests.score.test_unruly:{reward}")
    (tmp_path / "set" / "recipe.toml").write_text(text)
    ended = in_process("-C", "set", "score", "--device", "cpu", "--json")
    return ended.exit_code, [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


@pytest.mark.parametrize("reward", ["prints", "moves", "forks", "reseeds"])
def test_what_a_reward_does_beside_scoring_is_in_no_ones_way(
    tmp_path: Path, drawn: str, reward: str
) -> None:
    code, told, errors = scored(tmp_path, drawn, reward)
    assert code == 0, errors
    assert told[-1]["complete"] is True
    assert ("no JSON" in errors) == (reward == "prints")
    workspace = Workspace.open(tmp_path / "set")
    assert [count.done for count in status(workspace).counts] == [8, 8, 16, 16]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "weights"]


@pytest.mark.parametrize(
    ("reward", "message"), [("exits", "SystemExit: 0"), ("ExitsWhenOpened", "cannot be opened")]
)
def test_a_reward_that_exits_is_broken_and_the_other_is_done(
    tmp_path: Path, drawn: str, reward: str, message: str
) -> None:
    code, told, _ = scored(tmp_path, drawn, reward)
    assert code != 0
    red, blue = told[-1]["outcomes"]  # type: ignore[misc]
    assert (blue["made"], blue["broken"]) == (16, None)  # type: ignore[index]
    assert red["made"] == 0  # type: ignore[index]
    found = json.dumps(red) + json.dumps(status(Workspace.open(tmp_path / "set")).failures)
    assert message in found


def test_a_module_that_exits_when_it_is_imported_is_named(
    tmp_path: Path, drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script without ``if __name__ == "__main__"``."""
    (tmp_path / "ascript.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = drawn.replace("tests.fakes:redness", "ascript:score")
    (tmp_path / "set" / "recipe.toml").write_text(text)
    ended = in_process("-C", "set", "score", "--device", "cpu")
    assert ended.exit_code != 0
    assert "SystemExit: 0" in str(ended.exception) + ended.output


def test_a_reward_that_paints_on_its_image_paints_on_its_own(tmp_path: Path, drawn: str) -> None:
    text = drawn.replace("tests.fakes:redness", "tests.score.test_unruly:reseeds")
    found = []
    for name, together in (("set", True), ("other", False)):
        workspace = Workspace.create(tmp_path / name, text) if name != "set" else None
        workspace = workspace or edit(Workspace.open(tmp_path / name), text)
        generate_candidates(workspace, device="cpu")
        only = None if together else ["blue"]
        score_candidates(workspace, device="cpu", only=only, together=together)
        rows = take_inventory(workspace).scored()
        found.append(rows.sort("candidate_id")["score_blue"].to_list())
    assert found[0] == found[1]
    assert None not in found[0]
