"""The Fréchet distance of two Gaussians, and their statistics from features that come in batches.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (arXiv 1706.08500), equation 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureStatistics", "StreamedStatistics", "frechet_distance"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """A Gaussian that stands for a set of features.

    Args:
        n: features.
        mean: ``Float64[d]``.
        covariance: ``Float64[d, d]``, of n − 1 degrees of freedom.
    """

    n: int
    mean: Array
    covariance: Array

    @cached_property
    def factor(self) -> Array:
        """F of the covariance FFᵀ, ``Float64[d, rank]``."""
        values, vectors = np.linalg.eigh(self.covariance)
        # What rounding leaves of eigenvalues of 0 is 0.
        kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
        found: Array = vectors[:, kept] * np.sqrt(values[kept])
        return found


class StreamedStatistics:
    """Mean and covariance in float64, in memory that does not grow with the number of features.

    Batches are merged by the rule of Chan, Golub and LeVeque (1979), which subtracts no large
    numbers from each other.
    """

    def __init__(self) -> None:
        self.n = 0
        self._mean: Array = np.zeros(0)
        self._scatter: Array = np.zeros((0, 0))

    def add(self, features: NDArray[Any]) -> None:
        """Take in another batch.

        Args:
            features: ``Float[n, d]``, finite; d is the same for all.
        """
        batch = np.asarray(features, np.float64)
        if not len(batch):
            return
        if not self.n:
            width = batch.shape[1]
            self._mean, self._scatter = np.zeros(width), np.zeros((width, width))
        mean = batch.mean(axis=0)
        apart, n = mean - self._mean, self.n + len(batch)
        centred = batch - mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(apart, apart) * (self.n * len(batch) / n)
        self._mean = self._mean + apart * (len(batch) / n)
        self.n = n

    def finished(self) -> FeatureStatistics:
        """What they come to.

        Raises:
            ValueError: there are fewer than two features.
        """
        if self.n < 2:
            raise ValueError(f"{self.n} features have no covariance")
        return FeatureStatistics(self.n, self._mean, self._scatter / (self.n - 1))


def frechet_distance(one: FeatureStatistics, other: FeatureStatistics) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), 0 … ∞.

    The trace of (Σ₁Σ₂)^½ is the sum of singular values of F₁ᵀF₂, where Σ = FFᵀ. So no root is taken
    of a product that is not symmetric, which loses half of the digits where a covariance is
    singular.

    Raises:
        ValueError: the two are of different width.
    """
    if one.mean.shape != other.mean.shape:
        raise ValueError(f"features of {one.mean.shape} and {other.mean.shape}")
    apart = one.mean - other.mean
    together = np.linalg.svd(one.factor.T @ other.factor, compute_uv=False)
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    # Of two that are the same, what rounding leaves may be below 0.
    return max(0.0, float(apart @ apart + traces - 2 * together.sum()))
