"""How far raters agree with each other: Krippendorff's α, nominal, with an interval."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import polars as pl

from synpic.errors import MissingExtra
from synpic.evaluate.intervals import CONFIDENCE, Estimate

__all__ = ["alpha", "alpha_of_counts"]

_VALUES = ("first", "second", "tie")
_DRAWS = 400


def alpha(choices: pl.DataFrame) -> Estimate:
    """Krippendorff's α of the choices of one question, nominal: first, second, or neither.

    The interval is that of the percentiles of a bootstrap over prompts (400 draws, always the
    same). Skips are missing values; "both bad" and "tie" are one value, neither.

    Args:
        choices: of one question, without repeats and checks.

    Returns:
        ``n`` counts votes of comparisons that have two or more, ``clusters`` their prompts; the
        value is None where there is none of those, or all votes are equal.

    Raises:
        MissingExtra: the library is not installed.

    Source: Krippendorff, "Content Analysis" (2004), by the package ``krippendorff``.
    """
    given = choices.filter(pl.col("choice") != "skip").with_columns(
        pl.col("choice").replace({"both_bad": "tie"})
    )
    rows = given.group_by("prompt_id", "comparison").agg(
        (pl.col("choice") == value).sum().alias(value) for value in _VALUES
    )
    rows = rows.filter(pl.sum_horizontal(_VALUES) >= 2).sort("prompt_id", "comparison")
    counts = rows.select(_VALUES).to_numpy().astype(np.int64)
    _, prompt = np.unique(rows["prompt_id"].to_numpy(), return_inverse=True)
    prompts = int(prompt.max(initial=-1)) + 1
    value = alpha_of_counts(counts)
    if value is None or prompts < 2:
        return Estimate(value, None, None, int(counts.sum()), prompts)
    lots = np.random.default_rng(0)
    members = [np.flatnonzero(prompt == one) for one in range(prompts)]
    drawn = [
        alpha_of_counts(counts[np.concatenate([members[one] for one in chosen])])
        for chosen in lots.integers(0, prompts, (_DRAWS, prompts))
    ]
    known = [one for one in drawn if one is not None]
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    low, high = np.quantile(known, tails) if known else (value, value)
    return Estimate(value, float(low), float(high), int(counts.sum()), prompts)


def alpha_of_counts(counts: npt.NDArray[np.int64]) -> float | None:
    """α of ``Int[units, values]``, how many raters gave each value; None where it has none.

    Raises:
        MissingExtra: the library is not installed.
    """
    if find_spec("krippendorff") is None:
        raise MissingExtra(
            "synpic study report needs krippendorff", hint='pip install "synpic[study]"'
        )
    import krippendorff

    counts = counts[counts.sum(axis=1) >= 2]
    if (counts.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
