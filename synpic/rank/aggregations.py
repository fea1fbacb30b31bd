"""The ways to make one preference of many rewards, by name.

Each takes the scores of m prompts with k ≥ 2 candidates and the weights of the rewards as integers
without a common divisor. None compares the scores of two rewards, or of two prompts. In the
formulas w_l is the weight of reward l, W their sum, and i a candidate among the k of its prompt.

People compare pairs and give no scores. An aggregation that can rank by them beside rewards says so
by a second function, which takes what each reward and each source of comparisons says of every two
candidates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synpic.errors import RankingError
from synpic.rank.blocks import Floats, Ints, Numbers, Signs, count_below
from synpic.rank.bradley_terry import log_strengths, log_strengths_of_pairs
from synpic.rank.shares import WHOLE
from synpic.rank.weights import weighted_sum

__all__ = [
    "AGGREGATIONS",
    "STRENGTH_TOLERANCE",
    "ZSCORE_TOLERANCE",
    "Aggregation",
    "Preference",
]

ZSCORE_TOLERANCE = 1e-9
"""Neighbouring mean z-scores that differ by no more than this are a tie."""

STRENGTH_TOLERANCE = 1e-9
"""Neighbouring log strengths of a fit to some of the pairs are a tie up to this difference."""


@dataclass(frozen=True)
class Preference:
    """Who is preferred within a prompt, and by how much.

    Args:
        order: ``Int[k, m]``, larger is preferred, equal exactly where tied.
        value: ``Float[k, m]``, the same order and the same ties.
    """

    order: Ints
    value: Floats


@dataclass(frozen=True)
class Aggregation:
    """A way to rank, with all that is declared of it.

    Args:
        name: as a recipe spells it.
        function: ``(scores Float[rewards, k, m], weights Int[rewards]) -> Preference``. Its
            docstring is the description in the card of a dataset: formula, range, ties, source.
        summary: one line.
        range: in which the values lie, as people write it; None where it is not known.
        recorded: of one that synpic does not bring, what a manifest says of its code.
        of_signs: the same preference of prompts in which people take part too:
            ``(signs Int8[judges, k, k, m], weights Int[judges]) -> Preference``, where a judge is a
            reward or a source of comparisons, and signs are 1 at (i, j) where it has i above j, −1
            where below, else 0. A source takes part where it compared every pair. None: it cannot.
        of_shares: likewise ``(shares Float[judges, k, k, m], weights Int[judges]) -> Preference``,
            where a source takes part with whatever pairs it compared, which connect all k: at
            (i, j) the share of its votes that i has, NaN where it did not compare the two. An
            aggregation has one of both, or neither.

    Raises:
        RankingError: it has both.
    """

    name: str
    function: Callable[[Numbers, Ints], Preference]
    summary: str = ""
    range: str | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict, compare=False)
    of_signs: Callable[[Signs, Ints], Preference] | None = None
    of_shares: Callable[[Floats, Ints], Preference] | None = None

    def __post_init__(self) -> None:
        if self.of_signs is not None and self.of_shares is not None:
            raise RankingError(
                f"aggregation {self.name!r} has both of_signs and of_shares",
                hint="a source takes part where it compared every pair (of_signs) or any "
                "(of_shares): declare one",
            )

    @property
    def description(self) -> str:
        """The docstring of the function."""
        return inspect.getdoc(self.function) or self.summary

    @property
    def takes_comparisons(self) -> bool:
        """Whether people can rank beside rewards."""
        return self.of_signs is not None or self.of_shares is not None


def win_rate(scores: Numbers, weights: Ints) -> Preference:
    """φ(i) = Σ_l w_l · C_l(i) / (W · (k − 1)), in [0, 1].

    C_l(i) counts the candidates that i strictly beats under reward l. φ is the probability that i
    is preferred to another candidate of its prompt by a reward drawn by weight; a tie under a
    reward gives neither side a win. Tied: equal Σ w_l · C_l, compared in integers.

    Source: RankDPO, arXiv 2410.18013, Algorithm 1; with equal weights it is that algorithm.
    """
    points = weighted_sum(weights, count_below(scores))
    return Preference(points, points / _most_points(scores, weights))


def _win_rate_of_signs(signs: Signs, weights: Ints) -> Preference:
    points = weighted_sum(weights, (signs > 0).sum(axis=2))
    return Preference(points, points / _most_points(signs, weights))


WIN_RATE = Aggregation(
    "win-rate",
    win_rate,
    "share of wins: RankDPO's Algorithm 1",
    "0 … 1",
    of_signs=_win_rate_of_signs,
)


def borda(scores: Numbers, weights: Ints) -> Preference:
    """Σ_l w_l · B_l(i) / (W · (k − 1)), in [0, 1]; B_l counts wins, and ties as half a win.

    It is mean rank, turned so that higher is better: B_l(i) = k − (mean rank of i under l, ties
    sharing their ranks). It differs from ``win-rate`` only where a reward gives equal scores, and
    its mean over a prompt is always ½. Tied: equal sums, compared in integers (of half wins).

    Source: Borda's count (1781), with the averaged ranks usual for ties.
    """
    points = _half_points(scores, weights)
    return Preference(points, points / (2 * _most_points(scores, weights)))


def _borda_of_signs(signs: Signs, weights: Ints) -> Preference:
    points = weighted_sum(weights, signs.sum(axis=2, dtype=np.int64) + signs.shape[1] - 1)
    return Preference(points, points / (2 * _most_points(signs, weights)))


BORDA = Aggregation(
    "borda",
    borda,
    "share of wins, a tie being half a win",
    "0 … 1",
    of_signs=_borda_of_signs,
)


def mean_zscore(scores: Numbers, weights: Ints) -> Preference:
    """Σ_l w_l · z_l(i) / W with z_l(i) = (R_l(i) − mean_l) / std_l, in [−√(k−1), √(k−1)].

    Mean and standard deviation (population) are those of the prompt's k candidates; z_l is 0 where
    a reward gives them all one score. The only aggregation here that sees how far scores lie apart,
    and so the only one that a monotone change of a reward alters. Tied: neighbours in order that
    differ by no more than ``ZSCORE_TOLERANCE``; they all get the least of their values.

    Source: standard scores, as used to pool rewards of different scales.
    """
    exact = scores.astype(np.float64)
    centred = exact - exact.mean(axis=-2, keepdims=True)
    # In units of the largest deviation, whose square neither vanishes nor overflows.
    centred /= np.abs(centred).max(axis=-2, keepdims=True, initial=np.finfo(np.float64).tiny)
    constant = exact.max(axis=-2, keepdims=True) == exact.min(axis=-2, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=-2, keepdims=True))
    z = np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))
    mean = np.einsum("r,rkm->km", weights / weights.sum(), z)
    return _with_ties(mean, mean, ZSCORE_TOLERANCE)


MEAN_ZSCORE = Aggregation(
    "mean-zscore", mean_zscore, "mean of the rewards' standard scores", "±√(k − 1)"
)


def bradley_terry(scores: Numbers, weights: Ints) -> Preference:
    """1 / (1 + exp(−θ_i)), in (0, 1): the chance of i against a candidate of mean strength.

    θ are the log strengths, of mean 0 over the prompt, of the model P(i beats j) =
    1 / (1 + exp(θ_j − θ_i)), fitted by maximum likelihood to one comparison of every pair by every
    reward, counted w_l · n / W times for n rewards; a tie is half a win for each side. The prior is
    one more reward, of mean weight, that ties every pair: it keeps the strength of a candidate that
    always wins finite.

    Since every pair is compared by the same rewards, Borda's points are all that the likelihood
    sees. So the order and the ties are Borda's, exactly; what the fit adds is the spacing.

    Source: Bradley and Terry (1952); the fit is Zermelo's (1929).
    """
    points = _half_points(scores, weights)
    rewards, k = scores.shape[0], scores.shape[1]
    wins = points * (rewards / (2 * weights.sum())) + (k - 1) / 2
    theta = log_strengths(wins, comparisons=rewards + 1)
    return _with_ties(points, 1 / (1 + np.exp(-theta)), 0)


def _bradley_terry_of_shares(shares: Floats, weights: Ints) -> Preference:
    """The same fit, with people as one more reward that has the pairs that they compared, each as
    the shares of its votes. The prior ties the pairs that anyone compared.

    Where everyone compared every pair, the likelihood again sees points alone: order and ties are
    those of Σ_l w_l · shares, in whole numbers of millionths. Elsewhere a strength is the root of
    equations that no whole numbers solve, known to about 1e-11: neighbours within
    ``STRENGTH_TOLERANCE`` are tied, which images of like comparisons always are.
    """
    judges = len(shares)
    wins = np.zeros(shares.shape[1:], np.float64)
    for weight, share in zip(weights, shares, strict=True):
        wins += np.where(np.isnan(share), 0.0, share * (judges / weights.sum()) * weight)
    compared = ~np.isnan(shares).all(axis=0)
    theta = log_strengths_of_pairs(wins + compared / 2)
    value = 1 / (1 + np.exp(-theta))
    fitted = _with_ties(theta, value, STRENGTH_TOLERANCE)
    missing = np.isnan(shares).any(axis=0).sum(axis=(0, 1))
    whole = missing == shares.shape[1]  # the diagonal alone
    points = _points_of_shares(shares[..., whole], weights)
    counted = _with_ties(points, value[:, whole], 0)
    fitted.order[:, whole], fitted.value[:, whole] = counted.order, counted.value
    return fitted


BRADLEY_TERRY = Aggregation(
    "bradley-terry",
    bradley_terry,
    "chance against an image of mean strength",
    "0 … 1",
    of_shares=_bradley_terry_of_shares,
)


def majority(scores: Numbers, weights: Ints) -> Preference:
    """The share of the k − 1 others that a weighted majority of rewards puts i above, in [0, 1].

    i is above j when the weights of the rewards that score i strictly higher sum to more than
    those of the rewards that score j strictly higher; rewards that tie the two abstain. Tied: equal
    numbers of others, counts.

    Source: Copeland's rule (1951), a drawn comparison counting for neither.
    """
    above = np.zeros(scores.shape[1:], np.int64)
    for other in range(scores.shape[1]):
        rival = scores[:, other, None, :]
        for_it = weighted_sum(weights, scores > rival)
        against = weighted_sum(weights, scores < rival)
        above += for_it > against
    return Preference(above, above / (scores.shape[1] - 1))


def _majority_of_signs(signs: Signs, weights: Ints) -> Preference:
    above = (weighted_sum(weights, signs) > 0).sum(axis=1)
    return Preference(above, above / (signs.shape[1] - 1))


MAJORITY = Aggregation(
    "majority",
    majority,
    "share of the others that most rewards put it above",
    "0 … 1",
    of_signs=_majority_of_signs,
)

AGGREGATIONS: Mapping[str, Aggregation] = {
    one.name: one for one in (WIN_RATE, BORDA, MEAN_ZSCORE, BRADLEY_TERRY, MAJORITY)
}
"""Those of this module. What a recipe may name are these and others: ``synpic.registry``."""


def _most_points(judged: Numbers, weights: Ints) -> int:
    others: int = judged.shape[1] - 1
    return int(weights.sum()) * others


def _half_points(scores: Numbers, weights: Ints) -> Ints:
    """Borda's points in half wins: Σ_l w_l · (wins − losses + k − 1)."""
    twice = count_below(scores) - count_below(-scores) + (scores.shape[1] - 1)
    return weighted_sum(weights, twice)


def _points_of_shares(shares: Floats, weights: Ints) -> Numbers:
    """Σ_l w_l · (the shares of i over all others), in half millionths: whole numbers.

    They are those of Python where 64 bits could overflow.
    """
    halves = np.rint(np.nan_to_num(shares) * (2 * WHOLE)).astype(np.int64).sum(axis=2)
    if _most_points(shares, weights) * 2 * WHOLE < 2**63:
        return weighted_sum(weights, halves)
    exact: Numbers = (weights.astype(object)[:, None, None] * halves).sum(axis=0)
    return exact


def _with_ties(key: Numbers, value: Floats, tolerance: float) -> Preference:
    """Order by ``key``, making neighbours within ``tolerance`` a tie with one ``value``.

    Chained: of three in a row, the outer ones may lie further apart and are tied all the same,
    which is what makes the outcome independent of the order of the rows.
    """
    by_key = np.argsort(key, axis=0, kind="stable")
    ascending = np.take_along_axis(key, by_key, axis=0)
    steps = np.zeros(key.shape, np.int64)
    steps[1:] = ascending[1:] - ascending[:-1] > tolerance
    places = np.arange(len(key))[:, None]
    first_of_tie = np.maximum.accumulate(places * steps, axis=0)
    order = np.empty(key.shape, np.int64)
    np.put_along_axis(order, by_key, np.cumsum(steps, axis=0), axis=0)
    tied_value = np.take_along_axis(np.take_along_axis(value, by_key, axis=0), first_of_tie, axis=0)
    # What whole numbers tell apart, a fit may have the other way round in its last digits.
    rising = np.maximum.accumulate(tied_value, axis=0)
    settled = np.empty(value.shape, np.float64)
    np.put_along_axis(settled, by_key, rising, axis=0)
    return Preference(order, settled)
