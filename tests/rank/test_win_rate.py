"""Algorithm 1 and everything around it: what is ranked, in what order, and what ties are."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from synpic.errors import RankingError, RewardError
from synpic.rank import Counts, rank
from tests.rank.frames import (
    REWARDS,
    complete_prompts,
    identify,
    scored,
    scored_tables,
    weightings,
)


def algorithm_1(
    images: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]
) -> dict[str, Fraction]:
    """φ of each image, from the definition, in fractions."""
    count = {image: Fraction(0) for image in images}
    for reward, weight in weights.items():
        for i in images:
            for j in images:
                if images[i][reward] > images[j][reward]:
                    count[i] += Fraction(str(weight))
    most = sum(Fraction(str(weight)) for weight in weights.values()) * (len(images) - 1)
    return {image: c / most for image, c in count.items()}


@given(scored_tables(), weightings())
def test_equals_the_definition(table: pl.DataFrame, weights: dict[str, float]) -> None:
    ranking = rank(table, weights)
    got = {row["candidate_id"]: row for row in ranking.table.iter_rows(named=True)}
    prompts = complete_prompts(table, REWARDS)
    tied = 0
    for images in prompts.values():
        phi = algorithm_1(images, weights)
        tied += len(set(phi.values())) < len(phi)
        for image in images:
            row = got.pop(image)
            assert row["preference"] == float(phi[image])
            assert row["rank"] == 1 + sum(other > phi[image] for other in phi.values())
            for reward in REWARDS:
                beaten = [j for j in images if images[image][reward] > images[j][reward]]
                assert row[f"wins_{reward}"] == len(beaten)
            most = sum(Fraction(str(w)) for w in weights.values()) * (len(images) - 1)
            assert row["wins"] == pytest.approx(float(phi[image] * most), rel=1e-15, abs=0)
    assert not got
    kept = sum(map(len, prompts.values()))
    complete = table.drop_nulls([f"score_{reward}" for reward in REWARDS])
    assert ranking.counts == Counts(
        candidates=len(table),
        incomplete=len(table) - len(complete),
        prompts=table["prompt_id"].n_unique(),
        prompts_below_two=table["prompt_id"].n_unique() - len(prompts),
        kept_prompts=len(prompts),
        kept_candidates=kept,
        tied_prompts=tied,
    )


def test_worked_by_hand() -> None:
    # p: r puts a > b = c > d; s puts b > a > c > d. e has no score of s: it takes part nowhere.
    # q: one of two candidates is left, so it is dropped.
    table = scored(
        {
            "q": {"r": [1.0, 2.0], "s": [1.0, None]},
            "p": {"r": [9.0, 5.0, 5.0, 1.0, 20.0], "s": [0.5, 0.75, 0.25, 0.0, None]},
        }
    )
    ranking = rank(table, {"r": 1, "s": 1})
    expected = pl.DataFrame(
        {
            "prompt_id": ["p"] * 4,
            "candidate_id": [identify("p", model) for model in "abcd"],
            "model": ["a", "b", "c", "d"],
            "sample": pl.Series([0, 0, 0, 0], dtype=pl.Int32),
            "wins_r": pl.Series([3, 1, 1, 0], dtype=pl.Int32),
            "wins_s": pl.Series([2, 3, 1, 0], dtype=pl.Int32),
            "wins": [5.0, 4.0, 2.0, 0.0],
            "preference": [5 / 6, 4 / 6, 2 / 6, 0.0],
            "rank": pl.Series([1, 2, 3, 4], dtype=pl.Int32),
        }
    )
    assert_frame_equal(ranking.table, expected, check_exact=True)
    assert ranking.counts == Counts(7, 2, 2, 1, 1, 4, 0)
    assert (ranking.weights, ranking.aggregation) == ({"r": 1, "s": 1}, "win-rate")

    # r alone: e has its score and beats everyone, b and c tie, and q is back.
    alone = rank(table, {"r": 2})
    assert alone.table["rank"].to_list() == [2, 3, 3, 5, 1, 2, 1]
    assert alone.table["wins"].to_list() == [6.0, 2.0, 2.0, 0.0, 8.0, 0.0, 2.0]
    assert alone.counts == Counts(7, 0, 2, 0, 2, 7, 1)


def test_ties_are_decided_exactly_where_floats_would_not_see_them() -> None:
    # 0.1 + 0.2 and 0.3 are one number here, though 0.1 + 0.2 != 0.3 in floating point.
    table = scored({"p": {"r": [1.0, 0.0], "s": [1.0, 0.0], "t": [0.0, 1.0]}})
    ranking = rank(table, {"r": 0.1, "s": 0.2, "t": 0.3})
    assert ranking.table["rank"].to_list() == [1, 1]
    assert ranking.table["preference"].to_list() == [0.5, 0.5]
    assert ranking.table["wins"].to_list() == [0.3, 0.3]
    # Fifteen digits later the same two differ.
    near = rank(table, {"r": 0.1, "s": 0.2, "t": 0.300000000000001})
    assert near.table["rank"].to_list() == [2, 1]


def test_weights_are_refused_before_their_sums_could_be_rounded() -> None:
    # In steps of 1 up to 2^52 − 1: exact for two candidates, with Borda's halves; not for three.
    weights = {"r": 1, "s": 2**52 - 2}
    two = scored({"p": {"r": [1.0, 0.0], "s": [0.0, 1.0]}})
    three = scored({"p": {"r": [1.0, 0.0, 0.0], "s": [0.0, 1.0, 0.0]}})
    for aggregation in ("win-rate", "borda"):
        assert rank(two, weights, aggregation=aggregation).table["rank"].to_list() == [2, 1]
        with pytest.raises(RankingError, match=r"too finely graded .* over 3 candidates"):
            rank(three, weights, aggregation=aggregation)


def test_ordinal_breaks_ties_by_candidate_id_and_nothing_else() -> None:
    table = scored({"p": {"r": [1.0, 5.0, 1.0, 1.0]}, "q": {"r": [0.0, 0.0]}})
    shared = rank(table, {"r": 1})
    assert shared.table["rank"].to_list() == [2, 1, 2, 2, 1, 1]
    strict = rank(table, {"r": 1}, ties="ordinal")
    tied = sorted(identify("p", model) for model in "acd")
    places = {image: 2 + at for at, image in enumerate(tied)}
    places[identify("p", "b")] = 1
    places |= {image: 1 + at for at, image in enumerate(sorted(identify("q", m) for m in "ab"))}
    assert dict(strict.table.select("candidate_id", "rank").iter_rows()) == places
    assert_frame_equal(strict.table.drop("rank"), shared.table.drop("rank"))
    assert strict.counts == shared.counts
    assert strict.counts.tied_prompts == 2


@given(scored_tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(table: pl.DataFrame, random: object) -> None:
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for ties in ("competition", "ordinal"):
        here = rank(table, {"r": 1, "t": 0.5}, ties=ties)
        there = rank(table[order], {"t": 0.5, "r": 1}, ties=ties)
        assert_frame_equal(here.table, there.table.select(here.table.columns), check_exact=True)
        assert here.counts == there.counts


@given(scored_tables())
def test_only_the_order_of_scores_matters(table: pl.DataFrame) -> None:
    bent = table.with_columns(
        pl.col("score_r").exp(), pl.col("score_s") * 8 - 3, pl.col("score_t") ** 3
    )
    weights = {"r": 0.1, "s": 0.2, "t": 0.7}
    assert_frame_equal(rank(bent, weights).table, rank(table, weights).table, check_exact=True)


@given(scored_tables(missing=False), weightings(), st.sampled_from([2, 3, 0.5]))
def test_only_the_ratios_of_weights_matter(
    table: pl.DataFrame, weights: dict[str, float], factor: float
) -> None:
    scaled = {
        reward: float(Fraction(str(w)) * Fraction(str(factor))) for reward, w in weights.items()
    }
    same = ["candidate_id", "preference", "rank"]
    here, there = rank(table, weights), rank(table, scaled)
    assert_frame_equal(here.table.select(same), there.table.select(same), check_exact=True)


def test_rows_are_ordered_by_prompt_model_sample_and_id() -> None:
    keys = [("p", "b", 1), ("q", "a", 0), ("p", "b", 0), ("q", "a", 2), ("p", "a", 3)]
    table = pl.DataFrame(
        {
            "candidate_id": ["z", "y", "x", "w", "v"],
            "prompt_id": [prompt for prompt, _, _ in keys],
            "sample": pl.Series([sample for _, _, sample in keys], dtype=pl.Int32),
            "model": [model for _, model, _ in keys],
            "seed": [1, 2, 3, 4, 5],
            "score_r": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    full = rank(table, {"r": 1}).table
    assert full["candidate_id"].to_list() == ["v", "x", "z", "y", "w"]
    assert full.columns[:4] == ["prompt_id", "candidate_id", "model", "sample"]
    assert "seed" not in full.columns
    bare = rank(table.drop("model", "sample"), {"r": 1}).table
    assert bare["candidate_id"].to_list() == ["v", "x", "z", "w", "y"]
    assert bare.columns[:3] == ["prompt_id", "candidate_id", "wins_r"]


def test_many_prompts_of_many_sizes() -> None:
    # More rows than one block holds, and a prompt larger than the rest together.
    sizes = [2, 3] * 60_000 + [700]
    scores = [float((7 * i) % size) for size in sizes for i in range(size)]
    table = pl.DataFrame(
        {
            "prompt_id": [f"{at:06}" for at, size in enumerate(sizes) for _ in range(size)],
            "candidate_id": [f"{at:07}" for at in range(sum(sizes))],
            "score_r": pl.Series(scores, dtype=pl.Float32),
        }
    )
    got = rank(table, {"r": 1}).table
    # i → 7 i mod size is a permutation for 2, 3; of 700 it gives 100 values, seven times each.
    small = got[:300_000]
    assert small["wins_r"].cast(pl.Float64).to_list() == scores[:300_000]
    assert got[300_000:]["wins_r"].to_list() == [int(score) for score in scores[300_000:]]
    assert got["rank"].max() == 694


def test_nothing_to_rank_is_an_empty_ranking() -> None:
    table = scored({"p": {"r": [1.0]}, "q": {"r": [None, None]}})
    for ties in ("competition", "ordinal"):
        ranking = rank(table, {"r": 1}, ties=ties)
        assert ranking.table.is_empty()
        assert ranking.table.schema["rank"] == pl.Int32
        assert ranking.counts == Counts(3, 2, 2, 2, 0, 0, 0)
    assert rank(table.clear(), {"r": 1}).counts == Counts(0, 0, 0, 0, 0, 0, 0)


TABLE = scored({"p": {"clip": [1.0, 2.0], "hps": [1.0, 2.0]}})


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ({"clip": 1}, {"aggregation": "winrate"}, "unknown aggregation 'winrate'.*'win-rate'"),
        ({"clip": 1}, {"ties": "ordinary"}, "unknown way to rank ties 'ordinary'.*'ordinal'"),
        ({"clap": 1}, {}, "no candidate has a score of reward 'clap'.*'clip'"),
        ({}, {}, "no reward is selected"),
        ({"clip": 0, "hps": 1}, {}, "weight of reward 'clip' is 0, expected"),
        ({"clip": -0.5}, {}, "weight of reward 'clip' is -0.5, expected"),
        ({"clip": float("nan")}, {}, "weight of reward 'clip' is nan, expected"),
        ({"clip": float("inf")}, {}, "weight of reward 'clip' is inf, expected"),
        ({"clip": "much"}, {}, "weight of reward 'clip' is 'much', expected"),
        ({"clip": 1e-9, "hps": 1e9}, {}, "too finely graded"),
        ({"clip": 1e-300, "hps": 1}, {}, "too finely graded"),
        ({"clip": 1 / 3, "hps": 1}, {}, "too finely graded"),
    ],
)
def test_what_is_asked_wrongly(
    weights: dict[str, float], options: dict[str, str], message: str
) -> None:
    with pytest.raises(RankingError, match=message) as caught:
        rank(TABLE, weights, **options)  # type: ignore[arg-type]
    assert caught.value.hint


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.drop("prompt_id"), "no column 'prompt_id'"),
        (TABLE.rename({"candidate_id": "candidateid"}), "no column 'candidate_id'.*'candidateid'"),
        (pl.concat([TABLE, TABLE[1:]]), f"candidate '{identify('p', 'b')}' is there more than"),
        (TABLE.with_columns(prompt_id=pl.lit(None, pl.String)), "2 .* have no prompt_id"),
        (TABLE.with_columns(candidate_id=pl.lit(None, pl.String)), "2 .* have no candidate_id"),
        (TABLE.with_columns(score_clip=pl.lit("high")), "'score_clip' is String, expected Float32"),
    ],
)
def test_tables_that_cannot_be_ranked(table: pl.DataFrame, message: str) -> None:
    with pytest.raises(RankingError, match=message) as caught:
        rank(table, {"clip": 1})
    assert caught.value.hint


def test_untrustworthy_scores_are_refused_only_where_they_are_selected() -> None:
    table = scored({"p": {"clip": [1.0, 2.0], "hps": [float("nan"), 2.0]}})
    with pytest.raises(RewardError, match="'hps'"):
        rank(table, {"clip": 1, "hps": 1})
    assert rank(table, {"clip": 1}).counts.kept_candidates == 2
