from __future__ import annotations

import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synpic.publish.card.picture import PicturedPrompt, choose_examples, contact_sheet
from tests.publish.test_card import HOSTILE

RED, BLUE, GREEN = (200, 0, 0), (0, 0, 200), (0, 200, 0)


def png(colour: tuple[int, int, int], size: tuple[int, int] = (32, 32), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def an_example(images: list[bytes], rank: list[int] | None = None, **more: Any) -> PicturedPrompt:
    k = len(images)
    given = {
        "prompt": "a red circle",
        "images": images,
        "models": [f"model_{number}" for number in range(k)],
        "preference": [1 - number / k for number in range(k)],
        "rank": rank or list(range(1, k + 1)),
        "scores": {"redness": [0.5] * k, "greenness": [None] * k},
    }
    return PicturedPrompt(**{**given, **more})


def columns_of(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int]:
    """Where ``colour`` begins and ends, from left to right."""
    found = np.argwhere((np.asarray(sheet) == colour).all(axis=-1).any(axis=0)).ravel()
    return int(found.min()), int(found.max())


@pytest.mark.parametrize("size", [(32, 32), (1024, 1024), (1024, 256), (1, 1), (200, 200)])
def test_images_stand_from_best_to_worst(size: tuple[int, int]) -> None:
    images = [png(RED, size), png(BLUE, size), png(GREEN, size)]
    sheet = contact_sheet([an_example(images, [3, 1, 2])])
    blue, green, red = (columns_of(sheet, colour) for colour in (BLUE, GREEN, RED))
    assert blue[1] < green[0]
    assert green[1] < red[0]
    # Small ones are enlarged by whole factors, large ones reduced: all come to about one size.
    assert 96 < blue[1] - blue[0] + 1 <= 192


def test_small_images_keep_hard_edges() -> None:
    checks = np.zeros((32, 32, 3), np.uint8)
    checks[::2, ::2] = RED
    checks[1::2, 1::2] = RED
    buffer = io.BytesIO()
    Image.fromarray(checks).save(buffer, "PNG")
    sheet = np.asarray(contact_sheet([an_example([buffer.getvalue(), png(BLUE)])]))
    assert (sheet == RED).all(axis=-1).sum() == 32 * 32 / 2 * 6 * 6


def test_of_many_images_the_best_and_the_worst_are_shown() -> None:
    images = [png((number * 10, 7, 99)) for number in range(12)]
    sheet = contact_sheet([an_example(images)])
    present = {
        number for number in range(12) if (np.asarray(sheet) == (number * 10, 7, 99)).all(-1).any()
    }
    assert present == {0, 1, 2, 11}
    # A page is some 760 pixels wide: at that width the letters can still be read.
    assert sheet.width <= 1000


def test_it_says_how_many_are_left_out() -> None:
    images = [png((number * 10, 7, 99)) for number in range(12)]

    def between(k: int) -> np.ndarray:
        """What stands between the last two images, less the colour of the paper."""
        sheet = contact_sheet([an_example(images[:k])])
        pixels = np.asarray(sheet)
        third, worst = (
            columns_of(sheet, (number * 10, 7, 99)) for number in (min(k, 4) - 2, k - 1)
        )
        rows = np.argwhere((pixels == ((k - 1) * 10, 7, 99)).all(-1).any(axis=1)).ravel()
        gap = pixels[rows.min() : rows.max(), third[1] + 3 : worst[0] - 2]
        return (gap != pixels[0, 0]).any(axis=-1)

    assert not between(3).any()
    assert not between(4).any()
    assert between(5).any()
    assert (between(5) != between(6)).any()
    assert between(5).shape == between(12).shape


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_other_modes(mode: str) -> None:
    contact_sheet([an_example([png(RED, mode=mode), png(BLUE, mode=mode)])])


@settings(max_examples=30)
@given(st.one_of(st.text(max_size=2000), st.sampled_from(HOSTILE), st.just("word " * 5000)))
def test_any_prompt_fits(prompt: str) -> None:
    images = [png(RED), png(BLUE)]
    plain = contact_sheet([an_example(images)])
    sheet = contact_sheet([an_example(images, prompt=prompt, models=[prompt, "x" * 500])])
    assert sheet.size == plain.size
    right = np.asarray(sheet)[:, -27:]
    assert (right == right[0, 0]).all()  # nothing runs over the margin


def test_it_is_the_same_each_time() -> None:
    examples = [an_example([png(RED), png(BLUE)]), an_example([png(GREEN), png(BLUE)])]
    assert contact_sheet(examples).tobytes() == contact_sheet(examples).tobytes()


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def ranked(leads: list[float], flagged: list[bool | None] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt_id": [f"{(number * 7919) % 1000:032x}" for number in range(len(leads))],
            "preference": [[0.25, 0.5, 0.5 + lead] for lead in leads],
            "flagged": [[None, None, flag] for flag in flagged or [None] * len(leads)],
        },
        schema_overrides={"preference": pl.List(pl.Float32), "flagged": pl.List(pl.Boolean)},
    )


def test_examples_have_a_clear_winner() -> None:
    rows = ranked([number / 200 for number in range(100)])
    chosen = choose_examples(rows, 5)
    assert chosen.height == 5
    assert all(max(preference) >= 0.5 + 75 / 200 - 1e-6 for preference in chosen["preference"])
    assert chosen.columns == rows.columns
    assert chosen.equals(choose_examples(rows.sample(fraction=1, shuffle=True, seed=1), 5))


def test_examples_are_not_flagged_ones() -> None:
    rows = ranked([0.5, 0.1, 0.1], [True, False, None])
    assert True not in [flag for flags in choose_examples(rows, 2)["flagged"] for flag in flags]
    assert choose_examples(rows, 5).height == 3
