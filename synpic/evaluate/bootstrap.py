"""Means under resampling: what an evaluation would have found on other prompts of the same kind.

The unit that is drawn again is the prompt, with all its images: those of one prompt are alike. Each
tag (a suite's category) keeps its number of prompts. Every column is resampled by the same draws:
a difference of two models is the difference on each drawn set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synpic.evaluate.intervals import CONFIDENCE

__all__ = ["RESAMPLES", "Draws", "Floats", "draw_again", "number_units", "percentiles"]

RESAMPLES = 10_000

_AT_ONCE = 1 << 24

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """How often each unit was drawn.

    Args:
        counts: ``Int[r, u]``; each row sums to u − 1.
    """

    counts: npt.NDArray[np.int16]

    def sums(self, columns: Floats) -> Floats:
        """The sums of each drawn set.

        Args:
            columns: ``Float[u, c]``, one row a unit.

        Returns:
            ``Float[r, c]``.
        """
        rows = max(1, _AT_ONCE // max(1, self.counts.shape[1]))
        return np.concatenate(
            [
                self.counts[at : at + rows].astype(np.float64) @ columns
                for at in range(0, len(self.counts), rows)
            ]
        )


def number_units(units: Iterable[str]) -> dict[str, int]:
    """A number for each of ``units``; in whatever order they come, each keeps its own."""
    return {unit: at for at, unit in enumerate(sorted(set(units)))}


def draw_again(units: int, resamples: int, *seed: str) -> Draws:
    """Draw ``units`` − 1 of ``units`` units with replacement, ``resamples`` times.

    With one unit fewer than there are, the variance of a drawn mean is the unbiased estimate of the
    variance of the mean; as many as there are would give n − 1 of n of it, of every tag anew.
    SciPy's ``bootstrap`` has no such way, nor one set of draws for several statistics.

    Args:
        units: at least 1; of one, that one is drawn.
        seed: equal texts draw equally.

    Source: Rao and Wu, "Resampling inference with complex survey data" (1988).
    """
    digest = hashlib.sha256("\0".join(seed).encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
    drawn_units, rows = max(1, units - 1), max(1, _AT_ONCE // units)
    counts = np.empty((resamples, units), np.int16)
    for at in range(0, resamples, rows):
        n = min(rows, resamples - at)
        drawn = rng.integers(0, units, (n, drawn_units)) + np.arange(n)[:, None] * units
        counts[at : at + n] = np.bincount(drawn.ravel(), minlength=n * units).reshape(n, units)
    return Draws(counts)


def percentiles(
    found: Floats, confidence: float = CONFIDENCE
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The ends of the percentile interval of each column.

    Args:
        found: ``Float[r, …]``.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail], axis=0)
    return low, high
