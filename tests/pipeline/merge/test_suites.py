"""Workspaces whose prompts are one suite, drawn in shards and merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from synpic import Workspace, generate_candidates
from synpic.engine.shard import Shard
from synpic.pipeline.inventory import take_inventory
from synpic.prompts.suites import stored_suite
from tests.conftest import MakeRecipe
from tests.pipeline.merge.using import merge, refused

LINES = "".join(f'{{"prompt": "a dog {n}", "tag": "t{n % 3}"}}\n' for n in range(12))


@pytest.fixture
def halves(here: Path, recipe: MakeRecipe) -> list[Workspace]:
    """A and B: the same recipe, of which each drew a shard."""
    models = recipe().replace("samples = 1\n", "").partition("[models.a]")
    text = f'[suite]\nfile = "mine.jsonl"\nimages = 2\n\n{models[1]}{models[2]}'
    made = []
    for number, name in enumerate("AB", 1):
        workspace = Workspace.create(here / name, text)
        workspace.store.write("mine.jsonl", LINES.encode())
        generate_candidates(workspace, shard=Shard(number, 2))
        made.append(workspace)
    return made


def test_shards_of_a_suite_make_a_whole(halves: list[Workspace]) -> None:
    merged = merge("A", "B")
    text = merged.store.read("recipe.toml").decode()
    assert "[suite]" in text
    assert "[prompts]" not in text
    found = take_inventory(merged)
    assert found.candidates().height == found.wanted_candidates().height == 12 * 2 * 2
    suite, was = stored_suite(merged), stored_suite(halves[0])
    assert suite is not None
    assert was is not None
    assert (suite.name, suite.version, suite.images) == ("mine", was.version, 2)
    assert merged.store.exists("mine.jsonl")


@pytest.mark.usefixtures("halves")
def test_other_items_are_refused(halves: list[Workspace]) -> None:
    other = halves[1]
    other.store.write("mine.jsonl", LINES.replace("t1", "t2").encode())
    assert "mine" in refused("A", "B")
