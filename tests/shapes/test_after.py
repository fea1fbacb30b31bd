"""Before and after: on workspaces whose truth is known, and the interval against simulation."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synpic import ids
from synpic.pipeline.inventory import Inventory
from synpic.shapes import after
from synpic.shapes.after import Comparison, compare, examination_recipe
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import to_image
from synpic.workspace import Workspace
from tests.publish.fixtures import build

COUNT = 18
PROMPTS = [(text, "test") for text, _ in prompts(COUNT, 0, "test")]
PLACE = {ids.prompt_id(text): place for place, (text, _) in enumerate(PROMPTS)}


def examined(root: Path, right: Callable[[str, int], bool], **options: Any) -> Workspace:
    """A workspace in which ``right`` says whether a model draws the prompt at a place right."""

    def draw(row: dict[str, Any]) -> bytes:
        place = PLACE[row["prompt_id"]]
        shown, _ = PROMPTS[place] if right(row["model"], place) else PROMPTS[(place + 1) % COUNT]
        file = io.BytesIO()
        to_image(illustrate(parse(shown), np.random.default_rng(place))).save(file, "PNG")
        return file.getvalue()

    text = examination_recipe("shapes_mmdit_small", "./weights/alpha", COUNT)
    return build(root, PROMPTS, text=text, draw=draw, **options)


@pytest.fixture(autouse=True)
def tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fixture's table of prompts leaves out."""
    whole = after.take_inventory
    known = {text: about["task"] for text, about in prompts(COUNT, 0, "test")}

    def with_tasks(workspace: Workspace) -> Inventory:
        found = whole(workspace)
        task = pl.col("prompt").replace_strict(known, default=None)
        table = found.prompts.with_columns(meta_task=task).to_arrow()
        return replace(found, prompt_table=replace(found.prompt_table, table=table))

    monkeypatch.setattr(after, "take_inventory", with_tasks)


def test_prompts_are_compared_one_by_one(tmp_path: Path) -> None:
    """Right before: places 0 … 5; right after: 2 … 15. Gained ten, lost two."""
    right = {"before": range(6), "after": range(2, 16)}
    workspace = examined(tmp_path / "set", lambda model, place: place in right[model])
    found = compare(workspace, tmp_path / "both.png")
    assert (found.before["count"], found.before["strict"]) == (COUNT, round(6 / COUNT, 4))
    assert found.after["strict"] == round(14 / COUNT, 4)
    assert (found.gained, found.lost, found.count) == (10, 2, COUNT)
    assert found.difference == pytest.approx(8 / COUNT)
    assert found.verdict == "better"
    assert set(found.before["by_task"]) == set(found.after["by_task"])


def test_the_picture_has_before_and_after_side_by_side(tmp_path: Path) -> None:
    workspace = examined(tmp_path / "set", lambda model, place: model == "after" or place == 0)
    with Image.open(compare(workspace, tmp_path / "both.png").picture) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # Four rows of three; an image of 32 pixels is enlarged five times.
    step = ((pixels.shape[1] - 2 * 24 + 16) // 3, (pixels.shape[0] - 2 * 24 + 16) // 4)
    same = []
    for place in range(12):
        left, top = 24 + place % 3 * step[0], 24 + place // 3 * step[1]
        before, after = (pixels[top : top + 160, x : x + 160] for x in (left, left + 160 + 4))
        same.append(bool((before == after).all()))
    assert same == [True, *[False] * 11]


def test_a_prompt_that_one_could_not_draw_is_left_out_of_both(tmp_path: Path) -> None:
    workspace = examined(
        tmp_path / "set",
        lambda model, place: model == "before",
        keep=lambda row: row["model"] == "before" or PLACE[row["prompt_id"]] < 10,
    )
    found = compare(workspace, tmp_path / "both.png")
    assert (found.count, found.gained, found.lost) == (10, 0, 10)
    assert found.verdict == "worse"


def comparison(gained: int, lost: int, count: int) -> Comparison:
    return Comparison({"count": count}, {"count": count}, gained, lost, Path("none.png"))


@pytest.mark.parametrize(
    ("gained", "lost", "count", "verdict"),
    [
        (0, 0, 12, "no difference is seen"),
        (4, 0, 12, "no difference is seen"),
        (30, 25, 600, "no difference is seen"),
        (60, 25, 600, "better"),
        (25, 60, 600, "worse"),
        (12, 0, 12, "better"),
    ],
)
def test_only_what_the_interval_allows_is_said(
    gained: int, lost: int, count: int, verdict: str
) -> None:
    found = comparison(gained, lost, count)
    low, high = found.interval
    assert -1 <= low <= found.difference <= high <= 1
    assert found.verdict == verdict


@pytest.mark.parametrize(("gains", "losses"), [(0.10, 0.04), (0.02, 0.02), (0.3, 0.1)])
@pytest.mark.parametrize("count", [30, 600])
def test_the_interval_holds_the_truth_as_often_as_it_says(
    gains: float, losses: float, count: int
) -> None:
    drawn = np.random.default_rng(0).multinomial(count, [gains, losses, 1 - gains - losses], 4000)
    bounds = [comparison(int(g), int(lo), count).interval for g, lo, _ in drawn]
    held = np.mean([low <= gains - losses <= high for low, high in bounds])
    assert 0.935 <= held <= 1
