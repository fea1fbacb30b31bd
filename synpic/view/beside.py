"""Models held to their base, prompt by prompt: what can be sorted and filtered by it.

A pair is the nth image of a model and the nth of the base, as in ``synpic eval``.
"""

from __future__ import annotations

import polars as pl

from synpic.view.source import Shown
from synpic.view.verdicts import CORRECT, NTH, VERDICT, Evaluated

__all__ = ["BOTH", "GAIN", "GAINED", "LOST", "NONE", "SAID", "beside_base", "decides"]

SAID, GAINED, LOST, BOTH, NONE, GAIN = "verdict.", "gained.", "lost.", "both.", "none.", "gain."
"""What columns of prompts begin with."""


def decides(candidates: pl.DataFrame, judge: str) -> bool:
    """Whether a judge says right or wrong; otherwise it gives scores alone."""
    return candidates[CORRECT + judge].count() > 0


def beside_base(shown: Shown) -> pl.DataFrame:
    """Columns of the prompts that judges or [compare] say something of.

    Returns:
        prompt_id, and

        - ``verdict.<judge>`` (Float64, 0 … 1): the share of the prompt's judged images that are
          right, or their mean score where the judge gives scores alone
        - of each model but the base, and each judge that says right or wrong, how many pairs there
          are (Int32) of which the model's image alone is right (``gained.<judge>.<model>``), the
          base's alone (``lost.…``), both (``both.…``) and neither (``none.…``)
        - ``gain.<name>.<model>`` (Float64): by each reward that is compared, and each judge of
          scores alone, the mean over pairs of the model's score less the base's

        null where there is no pair, or no verdict.
    """
    said, candidates = shown.evaluated, shown.candidates
    if not said.judges and not said.models:
        return pl.DataFrame(schema={"prompt_id": pl.String()})
    right = [judge for judge in said.judges if decides(candidates, judge)]
    scores = {judge: VERDICT + judge for judge in said.judges if judge not in right}
    values = {judge: pl.col(CORRECT + judge).cast(pl.Float64) for judge in right}
    values |= {judge: pl.col(column) for judge, column in scores.items()}
    found = candidates.group_by("prompt_id").agg(
        value.mean().alias(SAID + judge) for judge, value in values.items()
    )
    scores |= {reward: f"score_{reward}" for reward in said.rewards}
    for model in said.models[1:]:
        columns = _held(_pairs(candidates, said, model, right, scores), model, right, scores)
        found = found.join(columns, on="prompt_id", how="left")
    return found


def _pairs(
    candidates: pl.DataFrame, said: Evaluated, model: str, right: list[str], scores: dict[str, str]
) -> pl.DataFrame:
    """prompt_id, and of each column that is compared the base's, and the model's as ``_other``."""
    keys = ["prompt_id", NTH]
    columns = [*(CORRECT + judge for judge in right), *scores.values()]
    base, other = (
        candidates.filter(pl.col("model") == name).select(*keys, *columns)
        for name in (said.models[0], model)
    )
    return base.join(other, on=keys, how="inner", suffix="_other")


def _held(
    pairs: pl.DataFrame, model: str, right: list[str], scores: dict[str, str]
) -> pl.DataFrame:
    columns: list[pl.Expr] = []
    for judge in right:
        base, other = pl.col(CORRECT + judge), pl.col(CORRECT + judge + "_other")
        known = (base.is_not_null() & other.is_not_null()).any()
        kinds = {GAINED: other & ~base, LOST: base & ~other, BOTH: base & other}
        kinds[NONE] = ~base & ~other
        # Of a null nothing is known: a pair of which one has no verdict is none of the four.
        columns += [
            pl.when(known)
            .then((kind & base.is_not_null() & other.is_not_null()).sum().cast(pl.Int32))
            .alias(f"{prefix}{judge}.{model}")
            for prefix, kind in kinds.items()
        ]
    for name, column in scores.items():
        more = pl.col(column + "_other") - pl.col(column)
        columns.append(more.filter(more.is_finite()).mean().alias(f"{GAIN}{name}.{model}"))
    return pairs.group_by("prompt_id").agg(columns)
