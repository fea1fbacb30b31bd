"""Two lists of scores of the same pictures: how far apart, and which pairs are turned."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Comparison", "compare"]

Scores = Sequence[Sequence[float]]
"""A row for each prompt, in it a score for each picture."""


@dataclass(frozen=True)
class Comparison:
    """How far scores are from others.

    Attributes:
        largest: largest difference, divided by the spread.
        median: median difference, divided by the spread.
        spread: standard deviation of the reference's scores of one prompt, mean over prompts.
        turned: pairs of pictures of one prompt that the two order differently.
        pairs: all pairs that both order.
    """

    largest: float
    median: float
    spread: float
    turned: int
    pairs: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare(reference: Scores, other: Scores, scale: float = 1.0) -> Comparison:
    """How far ``other`` is from ``reference``.

    Args:
        reference: a row for each prompt; every row has at least two pictures.
        other: rows of the same lengths.
        scale: a positive factor that is known to be in ``other``; it is taken out first.

    Raises:
        ValueError: lengths differ, a score is not finite, or the reference gives every picture
            of a prompt the same.
    """
    if [len(row) for row in reference] != [len(row) for row in other] or not reference:
        raise ValueError("the two have scores of different prompts or pictures")
    if scale <= 0:
        raise ValueError(f"scale is {scale}: a factor that keeps the order is positive")
    plain = [[score / scale for score in row] for row in other]
    if not all(abs(s) < float("inf") for row in (*reference, *plain) for s in row):
        raise ValueError("a score is not finite")
    spread = statistics.fmean(statistics.stdev(row) for row in reference)
    if spread == 0:
        raise ValueError("the reference gives all pictures of a prompt the same score")
    apart = [
        abs(a - b) / spread
        for ours, theirs in zip(reference, plain, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    ]
    signs = [
        (a - b) * (c - d)
        for ours, theirs in zip(reference, plain, strict=True)
        for (a, c), (b, d) in itertools.combinations(zip(ours, theirs, strict=True), 2)
    ]
    return Comparison(
        largest=max(apart),
        median=statistics.median(apart),
        spread=spread,
        turned=sum(sign < 0 for sign in signs),
        pairs=sum(sign != 0 for sign in signs),
    )
