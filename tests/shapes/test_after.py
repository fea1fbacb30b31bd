"""Before and after: on workspaces whose truth is known, and the interval against simulation."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synpic import ids
from synpic.prompts.suites import SuiteData
from synpic.prompts.suites.selection import chosen
from synpic.shapes.after import before_after_sheet, examination_recipe
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import to_image
from synpic.shapes.suite import SHAPES
from synpic.workspace import Workspace
from tests.publish.fixtures import build

COUNT = 18
ITEMS = chosen(SHAPES.read(SuiteData()).items, None, COUNT, "shapes")
PROMPTS = [(item.prompt, "test") for item in ITEMS]
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


def test_the_picture_has_before_and_after_side_by_side(tmp_path: Path) -> None:
    workspace = examined(tmp_path / "set", lambda model, place: model == "after" or place == 0)
    with Image.open(before_after_sheet(workspace, tmp_path / "both.png")) as picture:
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
        keep=lambda row: row["model"] == "before" or PLACE[row["prompt_id"]] < 3,
    )
    whole = examined(tmp_path / "whole", lambda model, place: model == "before")
    with (
        Image.open(before_after_sheet(workspace, tmp_path / "few.png")) as few,
        Image.open(before_after_sheet(whole, tmp_path / "all.png")) as every,
    ):
        # One row of three prompts, of four.
        assert few.height < every.height / 3
