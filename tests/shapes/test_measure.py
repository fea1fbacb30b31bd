from __future__ import annotations

import numpy as np
import pytest

from synpic.shapes.measure import summarise, wilson
from synpic.shapes.scene import Scene, Thing, to_image


def test_wilson_interval() -> None:
    # 81 of 263: the example of Newcombe (1998), table I.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    # Nothing of ten: z² / (n + z²).
    assert wilson(0, 10) == pytest.approx((0.0, 3.8415 / 13.8415), abs=1e-4)


def test_summary_counts_what_the_judge_says() -> None:
    circle = Thing("circle", "red", 3, 3, 11)
    star = Thing("star", "blue", 18, 18, 11)
    images = [
        to_image(Scene("grey", things)) for things in ((circle,), (circle, star), (star,), ())
    ]
    figures = summarise(["a circle"] * 3 + ["a red circle"], ["single"] * 3 + ["colours"], images)
    assert figures["count"] == 4
    assert figures["strict"] == 0.25
    assert figures["lenient"] == 0.5
    assert figures["things"] == 1.0
    assert figures["blank"] == 0.25
    assert figures["things_asked"] == 1.0
    assert figures["purity"] == 1.0
    single = figures["by_task"]["single"]
    assert (single["count"], single["strict"]) == (3, pytest.approx(1 / 3, abs=1e-4))
    assert single["interval"] == pytest.approx(wilson(1, 3), abs=1e-4)
    assert figures["by_task"]["colours"]["strict"] == 0.0
    assert np.less(*figures["interval"])
