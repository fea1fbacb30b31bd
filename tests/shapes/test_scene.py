from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from synpic.shapes.scene import (
    BACKGROUNDS,
    CANVAS,
    COLOURS,
    MIN_GAP,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    arrange,
    coverage,
    random_scene,
    render,
    sheet,
    to_image,
)


def gap(a: Thing, b: Thing) -> int:
    """Empty pixels between two boxes, along the axis where there are more."""
    across = max(a.x, b.x) - min(a.x + a.size, b.x + b.size)
    down = max(a.y, b.y) - min(a.y + a.size, b.y + b.size)
    return max(across, down)


def test_things_stay_inside_and_apart() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        scene = random_scene(rng)
        for thing in scene.things:
            assert thing.size in SIZES
            assert 0 < thing.x < CANVAS - thing.size
            assert 0 < thing.y < CANVAS - thing.size
        assert all(gap(a, b) >= MIN_GAP for a, b in combinations(scene.things, 2))


@pytest.mark.parametrize("towards", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_two_things_stand_as_told(towards: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        scene = arrange([("circle", "red"), ("star", "blue")], "grey", rng, towards=towards)
        a, b = (np.array(thing.centre) for thing in scene.things)
        along = (b - a) @ np.array(towards)
        assert along > 2 * np.abs((b - a) @ np.array(towards[::-1]))


def test_the_same_generator_draws_the_same_scene() -> None:
    one, two = (random_scene(np.random.default_rng(7)) for _ in range(2))
    assert one == two
    assert np.array_equal(render(one), render(two))
    assert random_scene(np.random.default_rng(8)) != one


def test_five_things_are_too_many() -> None:
    with pytest.raises(ValueError, match="1 to 4"):
        arrange([("circle", "red")] * 5, "grey", np.random.default_rng(0))


def test_no_colour_is_near_another_or_near_a_background() -> None:
    palette = [*COLOURS.values(), *BACKGROUNDS.values()]
    for a, b in combinations(palette, 2):
        assert np.linalg.norm(np.subtract(a, b)) > 90


def test_a_square_is_drawn_where_it_stands() -> None:
    pixels = render(Scene("black", (Thing("square", "red", 4, 6, 10),)))
    assert tuple(pixels[11, 9]) == COLOURS["red"]
    assert tuple(pixels[0, 0]) == BACKGROUNDS["black"]
    differs = (pixels != BACKGROUNDS["black"]).any(axis=-1)
    rows, columns = np.nonzero(differs)
    assert (columns.min(), columns.max()) == (4, 13)
    assert (rows.min(), rows.max()) == (6, 15)


def test_coverage_is_the_area_of_the_shape() -> None:
    # Areas of the ideal outlines in a box of side 2, worked out by hand, over the box's 4.
    areas = {
        "circle": np.pi / 4,
        "square": 0.87**2,
        "triangle": 0.45,
        "cross": (2 * 2 * 0.64 - 0.64**2) / 4,
        # Ten triangles between the centre, a tip and a notch.
        "star": 10 * 0.5 * 1.05 * 0.46 * np.sin(np.pi / 5) / 4,
    }
    assert set(areas) == set(SHAPES)
    for shape, size in product(SHAPES, SIZES):
        assert coverage(shape, size).mean() == pytest.approx(areas[shape], abs=0.015)


def test_a_sheet_holds_every_image() -> None:
    images = [to_image(random_scene(np.random.default_rng(i))) for i in range(5)]
    picture = sheet(images, columns=3, zoom=2)
    assert picture.size == (3 * 66 - 2, 2 * 66 - 2)
    last = picture.crop((66, 66, 66 + 64, 66 + 64)).resize((32, 32), 0)
    assert np.array_equal(np.asarray(last), np.asarray(images[4]))
