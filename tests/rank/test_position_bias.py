from __future__ import annotations

import polars as pl
import pytest

from synpic.errors import RankingError
from synpic.rank import PositionBias


def rows(*pairs: tuple[str, str, float, float]) -> pl.DataFrame:
    columns = ["sha256_left", "sha256_right", "p_forward", "p_backward"]
    return pl.DataFrame(pairs, schema=columns, orient="row")


def test_by_hand() -> None:
    found = PositionBias.of(
        rows(("a", "b", 0.9, 0.7), ("a", "c", 0.6, 0.2), ("b", "c", 0.1, 0.3), ("d", "d", 0.5, 0.5))
    )
    assert found is not None
    # (0.2 + 0.4 − 0.2) / 3; of the second pair the order decides.
    assert (found.pairs, found.turned) == (3, pytest.approx(1 / 3))
    assert found.bias == pytest.approx(0.4 / 3)
    assert not found.strong
    assert found.described == (
        "position bias +0.13 (1: the first image always wins); the order decides 33% (pairs: 3)"
    )


@pytest.mark.parametrize(
    ("pair", "bias", "words"),
    [((1.0, 0.0), 1, "+1.00 (1: the first"), ((0.0, 1.0), -1, "-1.00 (−1: the second")],
)
def test_a_place_that_always_wins(pair: tuple[float, float], bias: float, words: str) -> None:
    found = PositionBias.of(rows(("a", "b", *pair), ("c", "d", *pair)))
    assert found is not None
    assert (found.bias, found.turned, found.strong) == (bias, 1, True)
    assert words in found.described


def test_nothing_was_asked() -> None:
    assert PositionBias.of(rows(("a", "a", 0.5, 0.5))) is None
    with pytest.raises(RankingError):
        PositionBias.of(pl.DataFrame({"p_forward": [0.5]}))
