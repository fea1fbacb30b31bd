"""Weights as exact integers, so that equality of weighted sums is decided without rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from synpic.errors import RankingError
from synpic.rank.blocks import Floats, Ints, Numbers

__all__ = ["ExactWeights", "exact_weights", "weighted_sum"]

# Integers up to here are floats too: an exact sum, and its share of the largest possible sum,
# stay distinct from their neighbours when divided.
_EXACT_BELOW = 2**53


@dataclass(frozen=True)
class ExactWeights:
    """Weights w_l = ``integers[l] · unit``; the integers have no common divisor.

    Args:
        integers: ``Int[rewards]``.
        unit: greater than 0.
    """

    integers: Ints
    unit: Fraction

    def in_weights(self, sums: Ints) -> Floats:
        """Sums weighted by ``integers``, as sums weighted by the w_l."""
        return sums.astype(np.float64) * self.unit.numerator / self.unit.denominator

    def require_exact(self, k: int) -> None:
        """Refuse weights whose sums over ``k`` candidates could be rounded.

        Raises:
            RankingError: Σ w spans too many units.
        """
        # Twice: Borda counts in halves.
        total = sum(self.integers.tolist())
        if 2 * total * max(1, k - 1) >= _EXACT_BELOW:
            raise RankingError(
                f"the weights are too finely graded to be compared exactly over {k} candidates: "
                f"their sum is {total:.3g} times their common unit",
                hint="round the weights to a few digits",
            )


def weighted_sum(integers: Ints, counts: Numbers) -> Ints:
    """Σ_l integers[l] · counts[l] in 64-bit integers: ``Int[rewards, k, m]`` to ``Int[k, m]``."""
    total = np.zeros(counts.shape[1:], np.int64)
    for weight, count in zip(integers.tolist(), counts, strict=True):
        total += weight * count.astype(np.int64)
    return total


def exact_weights(weights: Mapping[str, float]) -> ExactWeights:
    """``weights`` read as they are written in decimal: 0.1 is one tenth.

    Raises:
        RankingError: a weight is not a finite number above 0, or they have no common unit that is
            not absurdly small.
    """
    exact = [_exact(reward, weight) for reward, weight in weights.items()]
    denominator = math.lcm(*(weight.denominator for weight in exact))
    integers = [int(weight * denominator) for weight in exact]
    divisor = math.gcd(*integers)
    integers = [integer // divisor for integer in integers]
    unit = Fraction(divisor, denominator)
    if sum(integers) >= _EXACT_BELOW or max(unit, 1 / unit) >= _EXACT_BELOW:
        raise RankingError(
            f"the weights {_written(weights)} are too finely graded to be compared exactly",
            hint="round the weights to a few digits",
        )
    return ExactWeights(np.array(integers, np.int64), unit)


def _exact(reward: str, weight: float) -> Fraction:
    try:
        exact = Fraction(str(weight))
    except ValueError:  # nan, inf, and what is no number at all
        exact = Fraction(0)
    if exact <= 0:
        raise RankingError(
            f"the weight of reward {reward!r} is {weight!r}, expected a finite number above 0",
            hint="leave a reward out instead of giving it no weight",
        )
    return exact


def _written(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{reward} = {weight}" for reward, weight in weights.items())
