from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import RankingError
from synpic.rank import TIES, agreement_by_prompt, first, margin_by_prompt, pairs, rank
from tests.rank.frames import REWARDS, complete_prompts, scored, scored_tables
from tests.rank.test_agreement import mean, tau_b


@given(scored_tables(), st.integers(1, 3))
def test_agreement_equals_the_definition(table: pl.DataFrame, n: int) -> None:
    rewards = REWARDS[:n]
    got = agreement_by_prompt(table, rewards)
    prompts = complete_prompts(table, rewards)
    assert got.schema == {"prompt_id": pl.String, "agreement": pl.Float64}
    assert got["prompt_id"].to_list() == sorted(prompts)
    for prompt, agreement in got.iter_rows():
        images = prompts[prompt].values()
        taus = [
            tau_b([s[a] for s in images], [s[b] for s in images])
            for at, a in enumerate(rewards)
            for b in rewards[at + 1 :]
        ]
        expected, _ = mean(taus)
        assert agreement == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(scored_tables())
def test_a_margin_is_that_of_the_pair_best_worst(table: pl.DataFrame) -> None:
    ranked = rank(table, {"r": 1, "s": 0.5}).table
    got = dict(margin_by_prompt(ranked).iter_rows())
    pair = dict(pairs(ranked, "best-worst").select("prompt_id", "margin").iter_rows())
    assert got == {prompt: pair.get(prompt, 0.0) for prompt in ranked["prompt_id"].unique()}


@given(scored_tables(), st.integers(1, 6), st.sampled_from(TIES))
def test_first_keeps_the_best_and_the_order_of_rows(table: pl.DataFrame, k: int, ties: str) -> None:
    ranked = rank(table, {"r": 1, "s": 0.5}, ties=ties).table
    got = first(ranked, k)
    expected = []
    for prompt in sorted(set(ranked["prompt_id"])):
        rows = ranked.filter(prompt_id=prompt).to_dicts()
        best = sorted(rows, key=lambda row: (-row["preference"], row["candidate_id"]))[:k]
        expected += [row for row in rows if row in best]
    assert got.to_dicts() == expected
    assert got.schema == ranked.schema


def test_columns_that_are_missing_are_named() -> None:
    table = scored({"p": {"r": [1.0, 2.0]}})
    with pytest.raises(RankingError, match="no column 'preference'"):
        margin_by_prompt(table)
    with pytest.raises(RankingError, match="no column 'preference'"):
        first(table, 2)
    with pytest.raises(RankingError, match="reward 's'"):
        agreement_by_prompt(table, ["s"])
