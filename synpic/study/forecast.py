"""How many comparisons a study needs, before anyone is asked."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from synpic.errors import SynpicError
from synpic.evaluate.intervals import comparisons_to_see, comparisons_within

__all__ = ["StudyForecast", "StudySize", "forecast_study"]

SEEN = (0.55, 0.575, 0.60)
"""Win rates for which a forecast has the votes that show that they are not one half."""


@dataclass(frozen=True)
class StudySize:
    """What is wanted.

    Args:
        half_width: of the interval of a win rate, above 0 and at most 0.5.
        raters_per_pair: votes on each pair of images, one from a rater, at least 1.
        correlation: of the votes on one pair, 0 … 1: how much they follow the pair.
        model_pairs: pairs of models, at least 1; each gets an interval of its own.
        repeats, checks: shares of real comparisons that are added.
        seconds: that an answer takes.
    """

    half_width: float = 0.03
    raters_per_pair: int = 1
    correlation: float = 0.3
    model_pairs: int = 1
    repeats: float = 0.05
    checks: float = 0.05
    seconds: float = 6.0


@dataclass(frozen=True)
class StudyForecast:
    """What it takes, for one question.

    Args:
        votes: real votes for each pair of models.
        pairs: pairs of images for each pair of models, each of another prompt.
        answers: all answers, with repeats and checks.
        hours: of all raters together.
        to_see: win rate → votes for each pair of models that show, in 80 of 100 studies, that it
            is not one half.
    """

    size: StudySize
    votes: int
    pairs: int
    answers: int
    hours: float
    to_see: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def forecast_study(size: StudySize) -> StudyForecast:
    """How many votes give a win rate of one half an interval of ± ``half_width``.

    Raises:
        SynpicError: something lies outside its range.

    Source: z² / (4 · half_width²), times 1 + (m − 1) ρ for m votes on a pair.
    """
    m, correlation = size.raters_per_pair, size.correlation
    try:
        votes = comparisons_within(size.half_width, per_prompt=m, correlation=correlation)
        to_see = {
            f"{share:g}": comparisons_to_see(share, per_prompt=m, correlation=correlation)
            for share in SEEN
        }
    except ValueError as error:
        raise SynpicError(
            f"--half-width, --raters-per-pair or --correlation: {error}",
            hint="--half-width is in percentage points: 3 is ± 3 %",
        ) from error
    pairs = math.ceil(votes / m)
    answers = math.ceil(pairs * m * size.model_pairs * (1 + size.repeats + size.checks))
    return StudyForecast(size, votes, pairs, answers, answers * size.seconds / 3600, to_see)
