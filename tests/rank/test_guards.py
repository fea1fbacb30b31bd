from __future__ import annotations

import polars as pl
import pytest

from synpic.errors import RankingError, RewardError
from synpic.rank import refuse_untrustworthy
from tests.rank.frames import Scores, identify, scored


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_not_finite(broken: float) -> None:
    table = scored({"p": {"clip": [1.0, 2.0, None], "hps": [1.0, None, broken]}})
    refuse_untrustworthy(table, ["clip"])
    with pytest.raises(RewardError, match=r"'hps' gave 1 of 2 candidates .* not finite") as caught:
        refuse_untrustworthy(table, ["clip", "hps"])
    assert identify("p", "c") in caught.value.message
    assert caught.value.hint


def constant(*sizes: int) -> pl.DataFrame:
    prompts: dict[str, Scores] = {f"p{at}": {"clip": [0.5] * k} for at, k in enumerate(sizes)}
    return scored(prompts)


def test_one_value_for_everything() -> None:
    with pytest.raises(RewardError, match=r"'clip' gave all 16 candidates of 2 prompts .* 0\.5"):
        refuse_untrustworthy(constant(8, 8), ["clip"])


def test_one_value_is_no_offence_in_little_data_or_beside_another() -> None:
    refuse_untrustworthy(constant(8, 7), ["clip"])
    one_prompt = constant(8, 8).with_columns(prompt_id=pl.lit("p"))
    refuse_untrustworthy(one_prompt, ["clip"])
    table = constant(8, 8)
    at_last = pl.when(pl.int_range(pl.len()) == 15).then(0.75).otherwise(0.5).cast(pl.Float32)
    refuse_untrustworthy(table.with_columns(score_clip=at_last), ["clip"])


def test_missing_scores_are_neither_broken_nor_constant() -> None:
    table = constant(8, 8).with_columns(score_clip=pl.lit(None, pl.Float32))
    refuse_untrustworthy(table, ["clip"])
    half = constant(8, 8, 8).with_columns(
        score_clip=pl.when(pl.col("prompt_id") == "p0").then(pl.lit(None, pl.Float32)).otherwise(1)
    )
    with pytest.raises(RewardError, match="16 candidates of 2 prompts"):
        refuse_untrustworthy(half, ["clip"])


def test_an_unknown_reward() -> None:
    with pytest.raises(RankingError, match=r"'clap'.*'clip'"):
        refuse_untrustworthy(constant(2), ["clap"])
