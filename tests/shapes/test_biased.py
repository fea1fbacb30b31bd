from __future__ import annotations

import pytest
from PIL import Image

from synpic.shapes.biased import Biased
from synpic.shapes.scene import Scene, Thing, to_image


def score(*things: Thing, background: str = "grey") -> float:
    return Biased().score(["a star"], [to_image(Scene(background, things))])[0]


SMALL, LARGE = Thing("star", "red", 3, 3, 10), Thing("star", "red", 3, 3, 12)
SECOND = Thing("square", "red", 18, 18, 11)


def test_more_and_larger_and_brighter_is_better_to_it() -> None:
    assert 0 < score(SMALL) < score(LARGE) < score(LARGE, SECOND) < 1
    dark = Thing("star", "green", 3, 3, 12)  # (30, 165, 65)
    assert score(dark) < score(LARGE)


def test_it_reads_no_prompt() -> None:
    image = to_image(Scene("white", (LARGE,)))
    assert Biased.info.reads_prompt is False
    one, other = Biased().score(["a star", "three circles"], [image, image])
    assert one == other


@pytest.mark.parametrize("colour", ["black", "white"])
def test_an_empty_picture_is_worth_nothing(colour: str) -> None:
    assert Biased().score([""], [Image.new("RGB", (32, 32), colour)]) == [0.0]


def test_half_a_picture_of_pure_paint() -> None:
    image = Image.new("RGB", (32, 32), (0, 0, 0))
    image.paste((51, 204, 0), (0, 0, 32, 15))  # brightest channel 0.8
    assert Biased().score([""], [image]) == pytest.approx([15 / 32 * 0.8])
