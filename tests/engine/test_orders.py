"""Orders, workers, shares and interruptions: the same bytes and scores, and the same ranks."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from synpic import Workspace, generate_candidates, score_candidates
from synpic.pipeline.inventory import take_inventory
from tests.conftest import MakeRecipe
from tests.engine.test_workers import generate, score


def made(workspace: Workspace) -> pl.DataFrame:
    rows = take_inventory(Workspace.open(workspace.store.root)).scored()
    columns = ["candidate_id", "prompt", "model", "sample", "seed", "sha256"]
    columns += sorted(name for name in rows.columns if name.startswith("score_"))
    return rows.select(columns).sort("candidate_id")


def sections(text: str) -> list[str]:
    return ["[" + part for part in text.split("\n[")[1:]]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_depends_on_order_batches_workers_or_shares(
    tmp_path: Path, recipe: MakeRecipe, seed: int
) -> None:
    text = recipe(prompts=14, samples=2)
    whole = Workspace.create(tmp_path / "whole", text)
    generate_candidates(whole, device="cpu")
    score_candidates(whole, device="cpu")

    chance = random.Random(seed)
    parts = sections(text)
    chance.shuffle(parts)
    shuffled = "\n\n".join(parts)
    for size in ("batch_size = 4", "batch_size = 8"):
        shuffled = shuffled.replace(size, f"batch_size = {chance.randint(1, 9)}")
    other = Workspace.create(tmp_path / "other", shuffled)
    shares = chance.randint(1, 3)
    for number in chance.sample(range(1, shares + 1), shares):
        generate(other, chance.randint(1, 3), shard=f"{number}/{shares}")
    # Some of what was made is lost, and made again.
    for folder in other.folders("candidates"):
        lost = chance.choice(sorted(other.parts(folder)))
        other.store.fs.rm_file(other.store.path(lost))
    other = Workspace.open(other.store.root)
    generate(other, 2)
    score(other, together=chance.random() < 0.5)
    assert made(other).equals(made(whole))
