"""The family that docs/models.md writes out draws, and what else a family may have is used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from synpic import Workspace
from synpic.pipeline.validation import validate
from tests.generate.by_recipe import make, pictures, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code of the page, where it can be imported; and a folder of weights."""
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    code, _halves = re.findall(r"```python\n(.*?)```", page, re.S)
    (tmp_path / "mine_of_the_page.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "colours.txt").write_text("all")
    return weights


def drawn(root: Path, weights: Path) -> Workspace:
    keys = {"family": "mine_of_the_page:Flat", "checkpoint": weights, "sizes": ["32x16"]}
    return make(root, m=keys)


def test_it_draws_a_colour_for_each_seed(flat: Path, tmp_path: Path) -> None:
    workspace = drawn(tmp_path / "set", flat)
    assert validate(workspace).problems == []
    seeds = rows(workspace, "m")["seed"].to_list()
    images = pictures(workspace, "m")
    assert len(seeds) == len(images) == 6
    for seed, image in zip(seeds, images, strict=True):
        assert image.shape == (16, 32, 3)
        colour = np.random.default_rng(seed).random(3) * 255
        assert np.abs(image - colour).max() <= 0.51
