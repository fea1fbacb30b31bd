"""Code of one's own that raises: one error with what it raised, the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import in_process

CODE = """
from synpic.prompts.suites import Suite

def fail(*arguments, **options):
    raise RuntimeError("not today")

class Reward:
    def __init__(self, **options):
        fail()

    def score(self, prompts, images):
        return [0.0 for _ in prompts]

class Described(Reward):
    info = property(fail)

class Family:
    def __init__(self, *arguments):
        fail()

    def draw(self, prompts, seeds, width, height):
        raise NotImplementedError

unread = Suite("unread", "", fail)
"""
PROMPTS = '[prompts]\nworld = "tests.fakes:world"\ncount = 2\n'
MODELS = "".join(
    f'[models.{name}]\nfamily = "tests.fakes:Painter"\ncheckpoint = "weights"\n{settings}'
    for name, settings in (("a", ""), ("b", "steps = 7\n"))
)
REWARDS = '[rewards.red]\nreward = "tests.fakes:redness"\n'


def _write(folder: Path, recipe: str) -> None:
    (folder / "recipe.toml").write_text(recipe)
    (folder / "mine.py").write_text(CODE)
    (folder / "weights").mkdir()
    (folder / "weights" / "model.safetensors").write_bytes(b"some weights")


@pytest.mark.parametrize(
    ("command", "recipe"),
    [
        ("validate", '[prompts]\nworld = "mine:fail"\ncount = 2\n' + MODELS + REWARDS),
        ("validate", '[suite]\nname = "mine:fail"\n' + MODELS + REWARDS),
        ("validate", '[suite]\nname = "mine:unread"\n' + MODELS + REWARDS),
        ("score", PROMPTS + MODELS + '[rewards.x]\nreward = "mine:Reward"\n'),
        ("rank", PROMPTS + MODELS + REWARDS + '[ranking]\naggregation = "mine:fail"\n'),
        ("generate", PROMPTS + MODELS.replace("tests.fakes:Painter", "mine:Family") + REWARDS),
    ],
    ids=["world", "suite made", "suite read", "reward", "aggregation", "family"],
)
def test_its_error_is_told_with_its_place(tmp_path: Path, command: str, recipe: str) -> None:
    _write(tmp_path, recipe)
    if command in ("score", "rank"):
        assert in_process("-C", tmp_path, "generate").exit_code == 0
    if command == "rank":
        assert in_process("-C", tmp_path, "score").exit_code == 0
    result = in_process("-C", tmp_path, command)
    assert result.exit_code != 0
    said = f"{result.output} {result.exception}"
    assert f"RuntimeError: not today ({tmp_path / 'mine.py'}:5)" in said.replace("\n", "")


def test_what_a_reward_says_of_itself_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        PROMPTS + MODELS + '[rewards.x]\nreward = "mine:Described"\n'
    )
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "weights").write_bytes(b"some weights")
    said = in_process("-C", tmp_path, "validate").output
    assert "rewards.x: the `info` of mine:Described is of type property, not a RewardInfo" in said
