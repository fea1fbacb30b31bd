"""Which images are compared."""

from __future__ import annotations

import time
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.study.pairing import (
    choose_checks,
    choose_pairs,
    pairs_from_ranking,
    pairs_of_models,
)


def candidates(
    prompts: int = 3, models: str = "abc", samples: int = 2, shared: bool = True
) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": f"p{p}",
            "prompt": f"number {p} of things",
            "candidate_id": f"{model}{p}{sample}",
            "model": model,
            "sample": sample,
            "seed": 1 + p * 10 + sample + (0 if shared else 1000 * place),
            "sha256": f"hash-{model}{p}{sample}",
        }
        for p in range(prompts)
        for place, model in enumerate(models)
        for sample in range(samples)
    ]
    return pl.DataFrame(rows)


def test_models_are_compared_at_equal_prompt_and_seed() -> None:
    rows = candidates()
    pairs = pairs_of_models(rows, ["a", "c"])
    assert pairs.height == 3 * 2
    seeds = dict(rows.select("candidate_id", "seed").iter_rows())
    for row in pairs.iter_rows(named=True):
        assert (row["first_model"], row["second_model"], row["basis"]) == ("a", "c", "seed")
        assert seeds[row["first_candidate_id"]] == seeds[row["second_candidate_id"]]
    assert pairs_of_models(rows, ["a", "b", "c"]).height == 3 * 2 * 3


@pytest.mark.parametrize("unknown", [True, False])
def test_without_a_common_seed_the_nth_images_of_a_prompt_are_compared(unknown: bool) -> None:
    rows = candidates(shared=False)
    if unknown:  # images that were ingested
        rows = rows.with_columns(seed=pl.lit(0, pl.Int64))
    pairs = pairs_of_models(rows, ["a", "b"])
    assert pairs["basis"].unique().to_list() == ["prompt"]
    assert sorted(pairs.select("first_candidate_id", "second_candidate_id").rows()) == [
        (f"a{p}{s}", f"b{p}{s}") for p in range(3) for s in range(2)
    ]


def test_images_with_equal_pixels_are_no_pair() -> None:
    rows = candidates(samples=1).with_columns(sha256=pl.lit("same"))
    assert pairs_of_models(rows, ["a", "b"]).is_empty()


def test_a_ranking_gives_best_and_worst_and_the_nearest() -> None:
    rows = candidates(prompts=1, samples=1, models="abcd")
    phi = {"a00": 0.0, "b00": 0.9, "c00": 0.8, "d00": 1.0}
    ranking = rows.with_columns(preference=pl.col("candidate_id").replace_strict(phi))
    pairs = pairs_from_ranking(ranking, rows)
    columns = ("basis", "first_candidate_id", "second_candidate_id")
    found = {basis: (first, second) for basis, first, second in pairs.select(columns).rows()}
    # In the order of names, which says nothing of the ranking.
    assert found["best-worst"] == ("a00", "d00")
    assert found["near"] in {("b00", "c00"), ("b00", "d00")}


@given(count=st.integers(1, 40), seed=st.integers(0, 3))
def test_what_is_chosen_is_balanced_and_the_same_in_any_order(count: int, seed: int) -> None:
    pairs = pairs_of_models(candidates(prompts=6), ["a", "b", "c"])
    chosen = choose_pairs(pairs, count, seed)
    assert chosen.equals(choose_pairs(pairs.sample(fraction=1, shuffle=True), count, seed))
    assert chosen.height == min(count, 36) == chosen.unique().height
    for columns in (["first_model", "second_model"], ["prompt_id"]):
        counts = chosen.group_by(columns).len()["len"]
        groups = 3 if len(columns) == 2 else 6
        full = counts.to_list() + [0] * (groups - len(counts))
        assert max(full) - min(full) <= 1


@given(count=st.integers(1, 60), seed=st.integers(0, 3), models=st.sampled_from(["ab", "abcd"]))
def test_each_group_in_turn_gives_a_pair_of_the_prompt_that_was_taken_least(
    count: int, seed: int, models: str
) -> None:
    pairs = pairs_of_models(candidates(prompts=7, models=models), list(models))
    taken: Counter[str] = Counter()
    left = pairs.rows(named=True)
    names = sorted({(row["first_model"], row["second_model"]) for row in left})
    for at, row in enumerate(choose_pairs(pairs, count, seed).rows(named=True)):
        group = names[at % len(names)]
        assert (row["first_model"], row["second_model"]) == group
        rest = [one for one in left if (one["first_model"], one["second_model"]) == group]
        assert taken[row["prompt_id"]] == min(taken[one["prompt_id"]] for one in rest)
        taken[row["prompt_id"]] += 1
        left.remove(row)


def test_many_pairs_are_chosen_in_seconds() -> None:
    rows = candidates(prompts=10_000, samples=1)
    pairs = pairs_of_models(rows, ["a", "b", "c"])
    began = time.process_time()
    assert choose_pairs(pairs, 20_000, 0).height == 20_000
    assert choose_checks(rows, 1_000, 0).height == 1_000
    assert time.process_time() - began < 10  # were each pair looked for among all: minutes


def test_another_seed_chooses_others() -> None:
    pairs = pairs_of_models(candidates(prompts=30), ["a", "b"])
    assert not choose_pairs(pairs, 10, 0).equals(choose_pairs(pairs, 10, 1))


def test_a_check_shows_an_image_of_another_prompt_by_the_same_model() -> None:
    rows = candidates(prompts=10)
    checks = choose_checks(rows, 6, 0)
    assert checks.height == 6
    of = {row["candidate_id"]: row for row in rows.iter_rows(named=True)}
    for row in checks.iter_rows(named=True):
        own, foreign = of[row["first_candidate_id"]], of[row["second_candidate_id"]]
        assert own["prompt_id"] == row["prompt_id"] != foreign["prompt_id"]
        assert own["model"] == foreign["model"]
    assert choose_checks(candidates(prompts=1), 6, 0).is_empty()
    same = candidates(prompts=9, models="a", samples=1)
    other = pl.col("candidate_id") == "a80"
    same = same.with_columns(sha256=pl.when(other).then(pl.lit("other")).otherwise(pl.lit("same")))
    checks = choose_checks(same, 9, 0)
    assert checks.height == 9
    assert set(checks.filter(pl.col("first_sha256") == "same")["second_sha256"]) == {"other"}


def test_a_check_takes_the_prompt_that_is_least_alike() -> None:
    rows = candidates(prompts=3, models="a", samples=1).with_columns(
        prompt=pl.Series(["a red circle", "a red circle on black", "three green stars"])
    )
    checks = choose_checks(rows, 3, 0)
    found = dict(checks.select("first_candidate_id", "second_candidate_id").iter_rows())
    assert found["a00"] == found["a10"] == "a20"
