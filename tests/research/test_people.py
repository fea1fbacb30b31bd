"""Simulated raters are as reliable as they are asked to be."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from research.people import VOTES, label_by_judge, label_by_raters
from synpic.workspace import Workspace
from synpic.workspace.labels import read_labels

LEVELS = pl.DataFrame(
    {
        "candidate_id": [f"{prompt:03}{image}" for prompt in range(200) for image in range(3)],
        "prompt_id": [f"{prompt:03}" for prompt in range(200) for _ in range(3)],
        "level": [image // 2 * 2 for _ in range(200) for image in range(3)],
    }
)
"""Of three images the last is right."""


def test_the_judge_prefers_what_is_right(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    label_by_judge(workspace, LEVELS)
    shares = read_labels(workspace, "judge")["share"].value_counts().sort("share")
    assert shares.rows() == [(0.0, 400), (0.5, 200)]


@pytest.mark.parametrize("reliability", [0.6, 0.9])
def test_raters_see_what_the_judge_sees_so_often(tmp_path: Path, reliability: float) -> None:
    workspace = Workspace(tmp_path)
    source = label_by_raters(workspace, LEVELS, reliability)
    found = read_labels(workspace, source)
    assert found.height == 400  # not those that the judge ties
    assert found["n"].unique().to_list() == [VOTES]
    right = 1 - found["share"].mean()  # type: ignore[operator]
    assert right == pytest.approx(reliability, abs=4 * (0.25 / 2000) ** 0.5)
