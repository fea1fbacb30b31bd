from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from synpic.shapes.judge import label, lenient, read, strict
from synpic.shapes.meaning import OPPOSITE, Asked, Meaning, illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import BACKGROUNDS, COLOURS, SHAPES, Scene, Thing, to_image

COUNT = 240


def shown(seed: int, count: int = COUNT) -> list[tuple[Meaning, Image.Image]]:
    """Prompts of all tasks, each with a rendered scene of it."""
    rng = np.random.default_rng(seed)
    meanings = [parse(text) for text, _ in prompts(count, seed, "train")]
    return [(meaning, to_image(illustrate(meaning, rng))) for meaning in meanings]


def as_it_is(image: Image.Image) -> Image.Image:
    return image


def noisy(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image, float)
    noise = np.random.default_rng(int(pixels.sum())).normal(0, 8, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return Image.open(file)


def tripled(image: Image.Image) -> Image.Image:
    return image.resize((96, 96), Image.Resampling.NEAREST)


@pytest.mark.parametrize("spoil", [as_it_is, noisy, jpeg, tripled])
def test_right_on_renders(spoil: Callable[[Image.Image], Image.Image]) -> None:
    passed = [strict(meaning, spoil(image)) for meaning, image in shown(0)]
    assert np.mean(passed) >= 0.995


def others(meaning: Meaning) -> list[Meaning]:
    """Meanings that a picture of ``meaning`` does not show."""
    first, *rest = meaning.things
    shapes = [shape for shape in SHAPES if shape not in {thing.shape for thing in meaning.things}]
    wrong = [replace(meaning, things=(replace(first, shape=shapes[0]), *rest))]
    if len(meaning.things) == 1:
        wrong.append(replace(meaning, count=meaning.count % 4 + 1))
    if first.colour:
        used = {thing.colour for thing in meaning.things}
        free = next(colour for colour in COLOURS if colour not in used)
        wrong.append(replace(meaning, things=(replace(first, colour=free), *rest)))
    if len(meaning.things) == 2 and first.colour:
        a, b = meaning.things
        swapped = (replace(a, colour=b.colour), replace(b, colour=a.colour))
        wrong.append(replace(meaning, things=swapped))
    if meaning.relation:
        wrong.append(replace(meaning, relation=OPPOSITE[meaning.relation]))
    if meaning.background:
        ground = next(name for name in BACKGROUNDS if name != meaning.background)
        wrong.append(replace(meaning, background=ground))
    return wrong


def test_refuses_pictures_of_something_else() -> None:
    for meaning, image in shown(1, 120):
        reading = read(image)
        assert strict(meaning, reading)
        for wrong in others(meaning):
            assert not strict(wrong, reading), (meaning, wrong)


RED_CIRCLE = Thing("circle", "red", 3, 3, 11)
BLUE_STAR = Thing("star", "blue", 18, 18, 11)


def test_says_what_it_found() -> None:
    reading = read(to_image(Scene("grey", (RED_CIRCLE, BLUE_STAR))))
    assert reading.background == "grey"
    assert {(thing.shape, thing.colour) for thing in reading.found} == {
        ("circle", "red"),
        ("star", "blue"),
    }
    circle = next(thing for thing in reading.found if thing.shape == "circle")
    assert (circle.x, circle.y) == pytest.approx((8.5, 8.5), abs=0.1)


def test_strict_minds_extras_and_lenient_does_not() -> None:
    image = to_image(Scene("grey", (RED_CIRCLE, BLUE_STAR)))
    assert not strict("a red circle", image)
    assert lenient("a red circle", image)
    assert not lenient("two circles", image)
    # A diagonal is both left of and above, as in GenEval.
    assert strict("a circle left of a star", image)
    assert strict("a star below a circle", image)
    assert not lenient("a circle right of a star", image)


def test_lenient_counts_the_kind_asked_for() -> None:
    scene = Scene("white", (RED_CIRCLE, replace(RED_CIRCLE, x=18), BLUE_STAR))
    assert lenient("two circles", to_image(scene))
    assert lenient("two red circles", to_image(scene))
    assert not lenient("three circles", to_image(scene))
    assert not strict("two circles", to_image(scene))


def test_lenient_holds_wherever_strict_does() -> None:
    for meaning, image in shown(2, 60):
        assert lenient(meaning, image) or not strict(meaning, image)


def test_blank_and_unreadable_pictures() -> None:
    blank = read(Image.new("RGB", (32, 32), BACKGROUNDS["black"]))
    assert blank.blank
    assert blank.background == "black"
    assert not strict("a star", blank)
    pink = read(Image.new("RGB", (32, 32), (255, 0, 255)))
    assert pink.background is None
    bar = Image.new("RGB", (32, 32), BACKGROUNDS["black"])
    bar.paste(COLOURS["red"], (3, 10, 29, 14))
    (thing,) = read(bar).found
    assert (thing.shape, thing.colour) == (None, "red")


def flood(mask: np.ndarray) -> list[frozenset[tuple[int, int]]]:
    """4-connected components, one pixel after the other."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    components = []
    while left:
        stack, members = [left.pop()], set()
        while stack:
            y, x = stack.pop()
            members.add((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    stack.append(near)
        components.append(frozenset(members))
    return components


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_labels_are_the_components(mask: np.ndarray) -> None:
    labels = label(mask)
    assert np.array_equal(labels > 0, mask)
    expected = set(flood(mask))
    assert labels.max(initial=0) == len(expected)
    found = {
        frozenset((int(y), int(x)) for y, x in zip(*np.nonzero(labels == i), strict=True))
        for i in range(1, len(expected) + 1)
    }
    assert found == expected


def test_an_asked_thing_is_not_both() -> None:
    # One red circle cannot stand for two things asked for.
    image = to_image(Scene("grey", (RED_CIRCLE,)))
    assert not lenient(Meaning((Asked("circle", "red"), Asked("circle"))), image)
