"""Sheets of pictures with their prompts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from synpic.release.cards.sheet import PictureGroup, captioned_sheet


def painted(number: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, (number, 77, 200))


def found(sheet: Image.Image, number: int) -> np.ndarray:
    """The places, as rows of (y, x), of all pixels of a painted picture."""
    return np.argwhere((np.asarray(sheet) == (number, 77, 200)).all(-1))


@pytest.mark.parametrize(
    ("count", "columns", "lines"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 3, 2), (9, 3, 3)]
)
def test_every_picture_is_there_once_in_reading_order(count: int, columns: int, lines: int) -> None:
    groups = [PictureGroup(f"prompt {n}", [painted(n)]) for n in range(count)]
    sheet = captioned_sheet(groups, cell=64)
    corners = [tuple(found(sheet, n).min(0)) for n in range(count)]
    assert corners == sorted(corners)
    assert len({y for y, _ in corners}) == lines
    assert len({x for _, x in corners}) == columns
    assert all(len(found(sheet, n)) == 64 * 64 for n in range(count))


def test_images_of_a_group_stand_side_by_side_and_are_fitted() -> None:
    images = [painted(1, (16, 8)), painted(2, (400, 400))]
    sheet = captioned_sheet([PictureGroup("a", images, ["before", "after"])], cell=100)
    small, large = found(sheet, 1), found(sheet, 2)
    assert (np.ptp(small, axis=0) + 1).tolist() == [6 * 8, 6 * 16]  # a whole factor
    assert (np.ptp(large, axis=0) + 1).tolist() == [100, 100]
    assert small[:, 1].max() < large[:, 1].min()


def test_names_and_prompts_are_drawn_within_their_group() -> None:
    def drawn(first: PictureGroup) -> np.ndarray:
        return np.asarray(captioned_sheet([first, PictureGroup("b", [painted(2)])], cell=64))

    blank, long = (
        drawn(PictureGroup(text, [painted(1)])) for text in ("", "a very long prompt " * 60_000)
    )
    assert blank.shape == long.shape
    middle = 24 + 160 + 8  # between the two groups
    assert (blank[:, :middle] != long[:, :middle]).any()
    assert (blank[:, middle:] == long[:, middle:]).all()
    named = drawn(PictureGroup("", [painted(1)], ["before"]))
    assert named.shape[0] > blank.shape[0]


@pytest.mark.parametrize("groups", [[], [PictureGroup("a", [])]])
def test_nothing_to_draw_is_an_error(groups: list[PictureGroup]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        captioned_sheet(groups)
