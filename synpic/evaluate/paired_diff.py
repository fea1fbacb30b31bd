"""Models of two evaluations, compared prompt by prompt as those of one evaluation are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from synpic import ids
from synpic.evaluate.compare_models import Items, Overall, PairedDifference, compare_models

__all__ = ["PairedModels", "paired_differences"]

_OLD, _NEW = "old", "new"
_KEYS = ["prompt_id", "nth"]


@dataclass(frozen=True)
class PairedModels:
    """A model of each of two evaluations.

    Args:
        old, new: its name in either.
    """

    old: str
    new: str


def paired_differences(
    old: pl.DataFrame,
    new: pl.DataFrame,
    metric: str,
    models: Sequence[PairedModels],
    overall: Overall,
    without_interval: frozenset[str],
) -> Mapping[PairedModels, dict[str, PairedDifference]]:
    """How much more each model has in the new evaluation than in the old one, by one metric.

    The nth image of a prompt is compared with the nth of the other evaluation; statistics are those
    of :func:`synpic.evaluate.compare_models.compare_models`.

    Args:
        old, new: values of two evaluations of the same prompts
            (:data:`synpic.workspace.evaluation_values.VALUES`).
        overall: how tags become one number.
        without_interval: tags with too few units for an interval.

    Returns:
        Model → tag, or "overall" → the difference; without models of which no image has two values.
    """
    before, after = (rows.filter(pl.col("metric") == metric) for rows in (old, new))
    found = {}
    for pair in models:
        rows = (
            after.filter(pl.col("model") == pair.new)
            .join(
                before.filter(pl.col("model") == pair.old).select(*_KEYS, old="value"),
                on=_KEYS,
                how="inner",
            )
            .sort(_KEYS)
        )
        if rows.is_empty():
            continue
        columns = {_OLD: rows["old"], _NEW: rows["value"]}
        items = Items(
            {name: one.fill_null(float("nan")).to_numpy() for name, one in columns.items()},
            rows["unit"].to_list(),
            rows["tag"].to_list(),
        )
        results = compare_models(
            items,
            _OLD,
            fingerprint=ids.fingerprint({"prompts": sorted(set(rows["prompt_id"]))}),
            overall=overall,
            without_interval=without_interval,
        )
        found[pair] = {
            one.tag: one.difference
            for one in results
            if one.model == _NEW and one.difference is not None
        }
    return found
