"""Where images lie: the same places as a dictionary of them gives."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from synpic.workspace.image_places import ImagePlace, ImagePlaces

KEY = st.tuples(st.text("ab", max_size=3), st.sampled_from(["", "0", "1"]))


def rows(keys: list[tuple[str, str]]) -> pl.DataFrame:
    """A part whose row groups have two rows each."""
    return pl.DataFrame(
        {
            "candidate_id": [key[0] for key in keys],
            "sha256": [key[1] for key in keys],
            "group": [number // 2 for number in range(len(keys))],
            "row": [number % 2 for number in range(len(keys))],
        },
        schema={"candidate_id": pl.String, "sha256": pl.String, "group": pl.Int64, "row": pl.Int64},
    )


@given(st.lists(st.lists(KEY, max_size=6), max_size=5))
def test_an_image_is_found_where_it_lies_last(parts: list[list[tuple[str, str]]]) -> None:
    expected = {
        key: ImagePlace(part, number // 2, number % 2)
        for part, keys in enumerate(parts)
        for number, key in enumerate(keys)
    }
    places = ImagePlaces(rows(keys) for keys in parts)
    assert {key: places.find(*key) for key in expected} == expected
    assert places.find("c", "0") is None
    assert places.find("", "a") is None
