from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from synpic.errors import RankingError
from synpic.rank import AGGREGATIONS, STRATEGIES, TIES, pairs, rank
from tests.rank.frames import scored, scored_tables


def lot(candidate_id: str) -> str:
    return hashlib.sha256(f"random pair:{candidate_id}".encode()).hexdigest()


def expected_pairs(table: pl.DataFrame, strategy: str) -> list[tuple[Any, ...]]:
    found = []
    for prompt in sorted(set(table["prompt_id"])):
        images = [row for row in table.iter_rows(named=True) if row["prompt_id"] == prompt]
        images.sort(key=lambda row: (-row["preference"], row["candidate_id"]))
        lots = [lot(row["candidate_id"]) for row in images]
        drawn = set(sorted(range(len(images)), key=lots.__getitem__)[:2])
        for i, chosen in enumerate(images):
            for j, rejected in enumerate(images):
                taken = {
                    "best-worst": i == 0 and j == len(images) - 1,
                    "best-rest": i == 0 and j > 0,
                    "all": i < j,
                    "adjacent": j == i + 1,
                    "random": {i, j} == drawn and i < j,
                }[strategy]
                margin = chosen["preference"] - rejected["preference"]
                if taken and margin > 0:
                    ids = (prompt, chosen["candidate_id"], rejected["candidate_id"])
                    values = (chosen["preference"], rejected["preference"], margin)
                    found.append((*ids, *values, strategy))
    return found


@given(
    scored_tables(),
    st.sampled_from(list(STRATEGIES)),
    st.sampled_from(list(AGGREGATIONS)),
    st.sampled_from(TIES),
)
def test_equals_the_definition(
    table: pl.DataFrame, strategy: str, aggregation: str, ties: str
) -> None:
    ranked = rank(table, {"r": 1, "s": 0.5}, aggregation=aggregation, ties=ties).table
    got = pairs(ranked, strategy)
    assert got.rows() == expected_pairs(ranked, strategy)
    assert_frame_equal(pairs(ranked.reverse(), strategy), got, check_exact=True)


def test_worked_by_hand() -> None:
    ranked = pl.DataFrame(
        {
            "prompt_id": ["p", "p", "p", "p", "q", "q", "v"],
            "candidate_id": ["d", "c", "b", "a", "e", "f", "g"],
            "preference": [0.75, 0.25, 0.75, 0.0, 0.5, 0.5, 1.0],
        }
    )
    got = {
        name: pairs(ranked, name).select("chosen_id", "rejected_id").rows() for name in STRATEGIES
    }
    assert got == {
        "best-worst": [("b", "a")],
        "best-rest": [("b", "c"), ("b", "a")],
        "all": [("b", "c"), ("b", "a"), ("d", "c"), ("d", "a"), ("c", "a")],
        "adjacent": [("d", "c"), ("c", "a")],
        "random": [("d", "c")],
    }
    assert pairs(ranked, "best-worst").rows() == [("p", "b", "a", 0.75, 0.0, 0.75, "best-worst")]


def test_a_random_pair_is_any_pair_and_stays_when_rewards_change() -> None:
    ids = [f"{prompt}-{image}" for prompt in range(600) for image in "abc"]
    prompts = [one.split("-")[0] for one in ids]
    columns = {"prompt_id": prompts, "candidate_id": ids}
    up = pl.DataFrame(columns).with_columns(preference=pl.int_range(pl.len()) % 3 / 2)
    down = up.with_columns(preference=1 - pl.col("preference"))
    found, turned = pairs(up, "random"), pairs(down, "random")
    assert found.height == 600
    assert found["chosen_id"].equals(turned["rejected_id"].rename("chosen_id"))
    kinds = Counter(f"{a[-1]}{b[-1]}" for a, b in found.select("chosen_id", "rejected_id").rows())
    assert set(kinds) == {"ba", "ca", "cb"}
    assert min(kinds.values()) > 150


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_no_pairs_is_an_empty_table_of_the_same_columns(strategy: str) -> None:
    ranked = rank(scored({"p": {"r": [1.0, 1.0]}, "q": {"r": [1.0, 2.0]}}), {"r": 1}).table
    some = pairs(ranked, strategy)
    for nothing in (ranked.filter(prompt_id="p"), ranked.clear()):
        none = pairs(nothing, strategy)
        assert none.is_empty()
        assert none.schema == some.schema


def test_what_is_asked_wrongly() -> None:
    ranked = rank(scored({"p": {"r": [1.0, 2.0]}}), {"r": 1}).table
    with pytest.raises(RankingError, match=r"unknown pair strategy 'best_worst'.*'best-worst'"):
        pairs(ranked, "best_worst")
    with pytest.raises(RankingError, match="no column 'preference'"):
        pairs(ranked.drop("preference"), "all")


@pytest.mark.parametrize("unknown", [None, float("nan")])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_candidate_without_preference_is_in_no_pair(strategy: str, unknown: float | None) -> None:
    table = pl.DataFrame(
        {
            "prompt_id": ["p"] * 3 + ["q"] * 2,
            "candidate_id": list("abcde"),
            "preference": [1.0, unknown, 0.0, unknown, 1.0],
        }
    )
    assert pairs(table, strategy).select("chosen_id", "rejected_id").rows() == [("a", "c")]
