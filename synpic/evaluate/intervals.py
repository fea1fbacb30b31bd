"""Shares and means with intervals, and how many comparisons an interval takes.

Observations of one prompt are alike: twenty votes on the images of one prompt say less than twenty
votes on twenty prompts. So the unit is the prompt, and observations are clustered by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CONFIDENCE",
    "Estimate",
    "clustered_mean",
    "clustered_share",
    "comparisons_to_see",
    "comparisons_within",
    "half_width_within",
    "independent_difference",
    "standard_error",
    "units_to_see",
    "wilson",
]

CONFIDENCE = 0.95
"""Of the intervals."""

POWER = 0.8
"""The chance to see an effect that is there."""

_ROUNDING = 1e-14

Values = npt.NDArray[Any] | Sequence[float]
Clusters = npt.NDArray[Any] | Sequence[Any]


@dataclass(frozen=True)
class Estimate:
    """A mean and the interval around it.

    Args:
        value: the mean; None of no observation.
        low, high: the ends of the interval; None where there is none: of one cluster alone.
        n: observations.
        clusters: independent groups of them: prompts.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if self.value is None:
            return ""
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} … {self.high:.3f})"


def wilson(wins: float, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """A share of independent observations, with Wilson's score interval.

    Args:
        wins: 0 … n; a tie counts as half a win.
        n: observations, each of a prompt of its own.

    Raises:
        ValueError: ``wins`` is not within 0 … n.

    Source: Wilson (1927); 270 of 450 has .554 … .644.
    """
    if not 0 <= wins <= n:
        raise ValueError(f"{wins} wins of {n} comparisons")
    if n == 0:
        return Estimate(None, None, None, 0, 0)
    low, high = _score_interval(wins / n, n, _normal(confidence))
    return Estimate(wins / n, low, high, n, n)


def standard_error(values: Values, clusters: Clusters) -> float:
    """The standard error of the mean of ``values``, of which those of one cluster are dependent.

    SE = √(C / (C − 1) · Σ_c (Σ_{i in c} (s_i − s̄))²) / n, for C clusters and n observations; NaN
    for fewer than two clusters.

    Source: Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), with the correction for few
    clusters that inspect_ai makes.
    """
    found = np.asarray(values, np.float64)
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    count = int(cluster.max(initial=-1)) + 1
    if count < 2:
        return math.nan
    sums = np.bincount(cluster, found - found.mean(), count)
    # What rounding leaves of sums that are equal is no spread.
    sums[np.abs(sums) < _ROUNDING * len(found) * max(1.0, np.abs(found).max())] = 0.0
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(found))


def clustered_mean(
    values: Values,
    clusters: Clusters,
    confidence: float = CONFIDENCE,
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> Estimate:
    """The mean of ``values`` ± Student's t (C − 1 degrees of freedom) × its standard error.

    Args:
        values: finite numbers of any range: differences, say.
        clusters: of each value, the prompt that it is of.
        least, most: the range in which a mean can lie.

    Returns:
        Without an interval where there is one cluster alone, or all have one mean.
    """
    found, count = np.asarray(values, np.float64), len(np.unique(np.asarray(clusters)))
    if not len(found):
        return Estimate(None, None, None, 0, 0)
    mean, error = float(found.mean()), standard_error(values, clusters)
    # Clusters that are all alike say nothing of how far others would lie apart.
    if math.isnan(error) or error == 0:
        return Estimate(mean, None, None, len(found), count)
    reach = _student(confidence, count - 1) * error
    low, high = max(least, mean - reach), min(most, mean + reach)
    return Estimate(mean, low, high, len(found), count)


def clustered_share(values: Values, clusters: Clusters, confidence: float = CONFIDENCE) -> Estimate:
    """The mean of values within 0 … 1, with Wilson's interval for clustered observations.

    Wilson's interval of as many independent observations as have the same standard error,
    p (1 − p) / SE², and no more than there are observations; with Student's t in place of the
    normal quantile. It stays within 0 … 1. Where all clusters have one mean, as where all values
    are 1, SE is 0 and the clusters count as the independent observations.

    Args:
        values: 1 a win, 0 a loss, ½ a tie, or shares.
        clusters: of each value, the prompt that it is of.

    Raises:
        ValueError: a value is not within 0 … 1.

    Source: Korn and Graubard (1998), "Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data", on Wilson's interval.
    """
    found, count = np.asarray(values, np.float64), len(np.unique(np.asarray(clusters)))
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("a share lies within 0 … 1")
    if not len(found):
        return Estimate(None, None, None, 0, 0)
    mean, error = float(found.mean()), standard_error(values, clusters)
    if math.isnan(error):
        return Estimate(mean, None, None, len(found), count)
    spread = mean * (1 - mean)
    effective = spread / error**2 if error > 0 and spread > 0 else float(count)
    low, high = _score_interval(
        mean, min(effective, float(len(found))), _student(confidence, count - 1)
    )
    return Estimate(mean, low, high, len(found), count)


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """``first`` − ``second`` of independent observations, from their own intervals.

    low = d − √((d₁ − l₁)² + (u₂ − d₂)²), high = d + √((u₁ − d₁)² + (d₂ − l₂)²): intervals that are
    not even stay so. Of observations that rise and fall together it is too wide.

    Returns:
        Without an interval where one of them has none; without a value likewise.

    Source: Zou and Donner (2008), "Construction of confidence limits about effect measures: a
    general approach"; with Wilson's intervals it is method 10 of Newcombe (1998).
    """
    n, clusters = min(first.n, second.n), min(first.clusters, second.clusters)
    if first.value is None or second.value is None:
        return Estimate(None, None, None, n, clusters)
    found = first.value - second.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Estimate(found, None, None, n, clusters)
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(found, found - below, found + above, n, clusters)


def comparisons_within(
    half_width: float,
    *,
    per_prompt: int = 1,
    correlation: float = 0.0,
    confidence: float = CONFIDENCE,
) -> int:
    """How many comparisons give an even share an interval of ± ``half_width``.

    z² / (4 · half_width²), times 1 + (m − 1) ρ where m comparisons of a prompt correlate by ρ.

    Args:
        half_width: above 0, at most ½.
        per_prompt: m, at least 1.
        correlation: ρ, 0 … 1.

    Raises:
        ValueError: one of them lies outside.
    """
    if not 0 < half_width <= 0.5:
        raise ValueError(f"a half width lies above 0 and at most at 0.5, not at {half_width:g}")
    needed = (_normal(confidence) / (2 * half_width)) ** 2
    return _whole(needed * _design_effect(per_prompt, correlation))


def half_width_within(
    comparisons: int,
    *,
    per_prompt: float = 1,
    correlation: float = 0.0,
    confidence: float = CONFIDENCE,
) -> float:
    """The half width of the interval that ``comparisons`` give an even share.

    What :func:`comparisons_within` turns around.

    Args:
        comparisons: at least 1.
        per_prompt, correlation: as there; ``per_prompt`` may be a mean.

    Raises:
        ValueError: one of them lies outside.
    """
    if comparisons < 1:
        raise ValueError(f"at least 1 comparison, not {comparisons}")
    effect = _design_effect(per_prompt, correlation)
    return _normal(confidence) / 2 * math.sqrt(effect / comparisons)


def comparisons_to_see(
    share: float,
    *,
    power: float = POWER,
    per_prompt: int = 1,
    correlation: float = 0.0,
    confidence: float = CONFIDENCE,
) -> int:
    """How many comparisons show, with the chance ``power``, that a share of ``share`` is not ½.

    ((z_{1−α/2} · ½ + z_power · √(p (1 − p))) / (p − ½))², times 1 + (m − 1) ρ.

    Args:
        share: p, 0 … 1 and not ½.
        per_prompt, correlation: as of :func:`comparisons_within`.

    Raises:
        ValueError: one of them lies outside.
    """
    if not 0 < share < 1 or share == 0.5:
        raise ValueError(f"a share to see lies within 0 … 1 and is not 0.5; this is {share:g}")
    at_even = _normal(confidence) * 0.5
    at_share = _one_sided(power) * math.sqrt(share * (1 - share))
    needed = ((at_even + at_share) / (share - 0.5)) ** 2
    return _whole(needed * _design_effect(per_prompt, correlation))


def units_to_see(
    difference: float, error: float, units: int, *, confidence: float = CONFIDENCE
) -> int | None:
    """How many units show ``difference``, with a chance of 80 %, when they vary as these do.

    units · ((z_{1−α/2} + z_power) · SE / difference)².

    Args:
        difference: a mean, not 0.
        error: its standard error over ``units`` units.

    Returns:
        None where there is no error to go by.
    """
    if error == 0:
        return None
    needed = (_normal(confidence) + _one_sided(POWER)) * error / difference
    return _whole(units * needed**2)


def _design_effect(per_prompt: float, correlation: float) -> float:
    if per_prompt < 1:
        raise ValueError(f"at least 1 comparison of a prompt, not {per_prompt}")
    if not 0 <= correlation <= 1:
        raise ValueError(f"a correlation lies within 0 … 1, not at {correlation:g}")
    return 1 + (per_prompt - 1) * correlation


def _whole(needed: float) -> int:
    # A whole number that rounding lifted by a hair stays what it is.
    return math.ceil(needed - 1e-9)


def _score_interval(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's: where |p − share| = z · √(p (1 − p) / n)."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _normal(confidence: float) -> float:
    return _one_sided((1 + confidence) / 2)


def _one_sided(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))


def _student(confidence: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))
