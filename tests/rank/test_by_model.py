from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import RankingError
from synpic.rank import TIES, head_to_head, rank, win_rate_by_model
from tests.rank.frames import scored, scored_tables


@given(scored_tables(), st.data(), st.sampled_from(TIES))
def test_equals_the_definition(table: pl.DataFrame, data: st.DataObject, ties: str) -> None:
    # Three names for up to five candidates: models with several images of a prompt are common.
    names = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(table), max_size=len(table)))
    ranking = rank(table.with_columns(model=pl.Series(names)), {"r": 1, "s": 2}, ties=ties)
    rows = list(ranking.table.iter_rows(named=True))
    models = sorted({row["model"] for row in rows})

    outcomes: dict[tuple[str, str], list[float]] = {}
    for one in rows:
        for other in rows:
            if one["prompt_id"] == other["prompt_id"] and one["model"] != other["model"]:
                wins = one["preference"] > other["preference"]
                ties_ = one["preference"] == other["preference"]
                meeting = (one["model"], other["model"])
                outcomes.setdefault(meeting, []).append(1.0 if wins else 0.5 if ties_ else 0.0)
    expected = [(*met, sum(of) / len(of), len(of)) for met, of in sorted(outcomes.items())]
    assert head_to_head(ranking).rows() == expected

    got = win_rate_by_model(ranking)
    assert got["model"].to_list() == models
    for model, candidates, preference, first, beats in got.iter_rows():
        own = [row for row in rows if row["model"] == model]
        assert candidates == len(own)
        assert preference == pytest.approx(sum(row["preference"] for row in own) / len(own))
        shown = {row["prompt_id"] for row in own}
        won = {row["prompt_id"] for row in own if row["rank"] == 1}
        assert first == pytest.approx(len(won) / len(shown))
        met = [value for (one, _), of in outcomes.items() if one == model for value in of]
        assert beats == (pytest.approx(sum(met) / len(met)) if met else None)


def test_worked_by_hand() -> None:
    # p: a first, b and c tied. q: a and b tied for first, c last. v: a and b only, b first.
    table = scored(
        {
            "p": {"r": [3.0, 1.0, 1.0]},
            "q": {"r": [2.0, 2.0, 0.0]},
            "v": {"r": [0.0, 1.0, None]},
        }
    )
    ranking = rank(table, {"r": 1})
    assert win_rate_by_model(ranking).rows() == [
        ("a", 3, pytest.approx((1 + 0.5 + 0) / 3), pytest.approx(2 / 3), pytest.approx(3.5 / 5)),
        ("b", 3, pytest.approx((0 + 0.5 + 1) / 3), pytest.approx(2 / 3), pytest.approx(3 / 5)),
        ("c", 2, 0.0, 0.0, pytest.approx(0.5 / 4)),
    ]
    assert head_to_head(ranking).rows() == [
        ("a", "b", 0.5, 3),
        ("a", "c", 1.0, 2),
        ("b", "a", 0.5, 3),
        ("b", "c", 0.75, 2),
        ("c", "a", 0.0, 2),
        ("c", "b", 0.25, 2),
    ]


def test_one_model_meets_nobody() -> None:
    ranking = rank(scored({"p": {"r": [1.0, 2.0]}}).with_columns(model=pl.lit("a")), {"r": 1})
    assert win_rate_by_model(ranking).rows() == [("a", 2, 0.5, 1.0, None)]
    assert head_to_head(ranking).is_empty()


def test_an_empty_ranking() -> None:
    ranking = rank(scored({"p": {"r": [1.0]}}), {"r": 1})
    assert win_rate_by_model(ranking).is_empty()
    assert head_to_head(ranking).is_empty()


def test_models_must_be_known() -> None:
    table = scored({"p": {"r": [1.0, 2.0]}})
    for report in (head_to_head, win_rate_by_model):
        with pytest.raises(RankingError, match="no column 'model'"):
            report(rank(table.drop("model"), {"r": 1}))
        with pytest.raises(RankingError, match="2 ranked candidates have no model"):
            report(rank(table.with_columns(model=pl.lit(None, pl.String)), {"r": 1}))
