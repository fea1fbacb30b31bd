"""People rank images of the embedded world: from labels to a verified release, by commands."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synpic import Workspace, score_candidates
from synpic.pipeline.inventory import take_inventory
from synpic.shapes import judge
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import random_scene, to_image
from tests.cli.conftest import in_process
from tests.publish.fixtures import encoded
from tests.publish.people import Pair, label_pairs

RECIPE = """
[ingest]
images = "pictures"

[rewards.shapes_alignment]

[rewards.people]
labels = "study"
tie = 0.1
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Ten prompts, each with a picture that shows it and two that show anything."""
    made = Workspace.create(tmp_path / "set", RECIPE)
    pictures, rng = tmp_path / "set" / "pictures", np.random.default_rng(3)
    pictures.mkdir()
    for number, (prompt, _) in enumerate(prompts(10, 0, "train")):
        scenes = [illustrate(parse(prompt), rng), random_scene(rng), random_scene(rng)]
        for place, scene in enumerate(scenes):
            to_image(scene).save(pictures / f"{number}-{place}.png")
            (pictures / f"{number}-{place}.txt").write_text(prompt)
    monkeypatch.chdir(tmp_path / "set")
    score_candidates(made).raise_if_unfinished()
    return made


def test_raters_of_the_embedded_world_rank_it(workspace: Workspace) -> None:
    """Ten raters vote for what the judge finds right, each wrongly once in ten times."""
    assert "no labels of 'study'" in str(in_process("rank").exception)
    pixels = encoded(workspace)
    rng = np.random.default_rng(7)

    def votes(pair: Pair) -> float:
        right = [judge.strict(one["prompt"], opened(pixels[one["candidate_id"]])) for one in pair]
        chance = 0.5 if right[0] == right[1] else 0.9 if right[0] else 0.1
        return float(rng.binomial(10, chance) / 10)

    kept = sorted(take_inventory(workspace).prompts["prompt_id"])[:8]
    label_pairs(workspace, share=votes, keep=lambda pair: pair[0]["prompt_id"] in kept)
    assert in_process("score").exit_code == 0  # of people there is nothing to score

    found = json.loads(in_process("rank", "--json").stdout)
    people = found["comparisons"]["people"]
    assert (people["prompts"], people["absent"]) == (8, 2)
    taus = {(row["reward_a"], row["reward_b"]): row["tau"] for row in found["agreement"]}
    assert taus["people", "shapes_alignment"] > 0.5
    assert in_process("rank", "--to", "ranking.csv").exit_code == 0
    assert "wins_people" in Path("ranking.csv").read_text().splitlines()[0]

    assert in_process("publish", "--to", "out").exit_code == 0
    assert in_process("verify", "out").exit_code == 0
    said = in_process("re-rank", "out", "--aggregation", "bradley-terry", "--to", "again.csv")
    assert said.exit_code == 0
    assert "people = 1" in said.output
    assert in_process("view", "--to", "page", "--thumbnails-only").exit_code == 0


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
