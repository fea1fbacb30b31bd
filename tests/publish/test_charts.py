from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from synpic.publish.card.charts import AGREEMENT, SCORES, draw_charts, matrix, spreads
from synpic.release.agreements import Agreement, LeftOut
from synpic.release.manifest import Histogram
from tests.release.manifests import as_manifest, least

BARS = (96, 138, 176)


def histogram(counts: list[int], low: float = -1.0, high: float = 2.5) -> Histogram:
    return Histogram(low=low, high=high, counts=counts)


def agreement(names: list[str], tau: float | None) -> tuple[list[Agreement], list[LeftOut]]:
    rows = [
        Agreement(reward_a=a, reward_b=b, tau=1.0 if a == b else tau, prompts=1)
        for a in names
        for b in names
    ]
    return rows, [LeftOut(reward=name, tau=tau, prompts=1) for name in names]


def drawn_from(names: str) -> tuple[dict[str, bytes], list[Agreement], list[LeftOut]]:
    """The pictures of a manifest with such rewards, and its numbers of agreement."""
    rows, others = agreement(list(names), 0.5)
    told = least()
    manifest = as_manifest(
        {
            **told,
            "histograms": {name: histogram([1, 2]) for name in names},
            "rewards": [{**told["rewards"][0], "name": name} for name in names],
            "ranking": {**told["ranking"], "weights": dict.fromkeys(names, 1.0)},
            "agreement": {"rewards": rows, "leave_one_out": others},
        }
    )
    drawn = draw_charts(manifest)
    assert drawn == draw_charts(manifest)
    return drawn, rows, others


def margin_is_clear(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    edges = [pixels[:24], pixels[-24:], pixels[:, :24], pixels[:, -24:]]
    return all((edge == pixels[0, 0]).all() for edge in edges)


def test_bars_are_as_high_as_their_counts() -> None:
    image = np.asarray(spreads({"redness": histogram([0, 10, 5, 20])}))
    high = (image == BARS).all(axis=-1).sum(axis=0)
    heights = [int(high[48 + 480 * bar // 4 + 60]) for bar in range(4)]
    assert heights == [0, 120, 60, 240]


def test_a_bin_with_one_score_shows() -> None:
    image = np.asarray(spreads({"redness": histogram([1, 100_000])}))
    assert (image[:, 48:280] == BARS).all(axis=-1).any()


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 8, 30])
@pytest.mark.parametrize("name", ["r", "w" * 64])
def test_any_number_of_rewards_fits(number: int, name: str) -> None:
    names = [f"{name[:-2]}{place}" for place in range(number)]
    high = float(np.float32(3.4e38))
    assert margin_is_clear(spreads(dict.fromkeys(names, histogram([7] * 20, -high, high))))
    assert margin_is_clear(matrix(*agreement(names, -0.004)))


def test_scores_that_are_all_equal() -> None:
    image = spreads({"constant": histogram([400], 1.0, 1.0), "other": histogram([1, 2])})
    assert margin_is_clear(image)
    assert (np.asarray(image) == BARS).all(axis=-1).any()


def test_colours_say_which_way() -> None:
    def middle(tau: float | None) -> np.ndarray:
        cells = np.asarray(matrix(*agreement(["a", "b"], tau))).astype(int)
        # Within the frame of the last cell, beside its number.
        return cells[-180, -48 - 120]

    same, opposite, neither = middle(1.0), middle(-1.0), middle(0.0)
    assert same[2] > same[0]
    assert opposite[0] > opposite[2]
    assert abs(neither[0] - neither[2]) < 16
    matrix(*agreement(["a", "b"], None))


def test_the_pictures_that_a_manifest_has_numbers_for() -> None:
    drawn, rows, _ = drawn_from("ab")
    assert list(drawn) == [SCORES, AGREEMENT]
    assert all(Image.open(io.BytesIO(data)).format == "PNG" for data in drawn.values())
    # Of two, "the others" are the other one: its number would stand there twice.
    assert _opened(drawn[AGREEMENT]) == matrix(rows, [])
    drawn, rows, others = drawn_from("abc")
    assert _opened(drawn[AGREEMENT]) == matrix(rows, others) != matrix(rows, [])
    assert list(drawn_from("a")[0]) == [SCORES]


@pytest.mark.parametrize(
    ("number", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 2), (7, 3), (8, 2)]
)
def test_no_more_histograms_side_by_side_than_can_be_read(number: int, columns: int) -> None:
    sheet = spreads({f"r{place}": histogram([1, 2]) for place in range(number)})
    one, two = (spreads(dict.fromkeys("ab"[:count], histogram([1, 2]))) for count in (1, 2))
    assert sheet.width == one.width + (columns - 1) * (two.width - one.width)


def _opened(data: bytes) -> Image.Image:
    """A PNG as a picture in memory, which compares by its pixels."""
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGB")


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no histogram"):
        spreads({})
    with pytest.raises(ValueError, match="no agreement"):
        matrix([], [])
