"""How many comparisons a study needs, before anyone is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from synpic.errors import SynpicError
from synpic.evaluate.intervals import comparisons_to_see, comparisons_within, half_width_within
from synpic.study.pairing import MODELS, pairs_of_models
from synpic.study.possible import compared_models, images_to_show
from synpic.workspace import Workspace

__all__ = ["PairsHere", "StudyForecast", "StudySize", "count_pairs", "forecast_study"]

MOST_RATERS = 100
"""Votes on one pair that are looked at: more tell next to nothing more."""

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
        questions: asked about each pair of images, at least 1; each gets an interval of its own.
        repeats, checks: shares of real comparisons that are added.
        seconds: that an answer takes.
    """

    half_width: float = 0.03
    raters_per_pair: int = 1
    correlation: float = 0.3
    model_pairs: int = 1
    questions: int = 1
    repeats: float = 0.05
    checks: float = 0.05
    seconds: float = 6.0


@dataclass(frozen=True)
class StudyForecast:
    """What it takes.

    Args:
        votes: real votes for each pair of models and question.
        pairs: pairs of images for each pair of models, each of another prompt.
        answers: all answers to all questions, with repeats and checks.
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


@dataclass(frozen=True)
class PairsHere:
    """What a workspace has to compare.

    Args:
        models: pairs of models.
        pairs: pairs of images, at equal prompt.
        seeded: those of them that are at equal seed, too.
        prompts: of all of them.
        fewest_pairs, fewest_prompts: of the pair of models that has the fewest prompts.
        flagged, dropped: images that are left out.
    """

    models: int
    pairs: int
    seeded: int
    prompts: int
    fewest_pairs: int
    fewest_prompts: int
    flagged: int
    dropped: int

    def half_width(self, raters_per_pair: int, correlation: float) -> float | None:
        """Of the interval of the pair of models with the fewest prompts, where all pairs of images
        are compared; None where it has none.

        Pairs of one prompt are taken to follow each other as votes on one pair do.
        """
        if not self.fewest_prompts:
            return None
        votes = self.fewest_pairs * raters_per_pair
        return half_width_within(
            votes, per_prompt=votes / self.fewest_prompts, correlation=correlation
        )

    def raters_for(self, half_width: float, correlation: float) -> int | None:
        """The fewest votes on each pair that give ``half_width``; None where no number does."""
        for raters in range(1, MOST_RATERS + 1):
            reached = self.half_width(raters, correlation)
            if reached is not None and reached <= half_width:
                return raters
        return None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def count_pairs(workspace: Workspace, models: Sequence[str] | None = None) -> PairsHere:
    """What a study of ``workspace`` could compare, as `synpic study new` chooses from it.

    Args:
        models: those that are compared with each other; all if None.

    Raises:
        WorkspaceError: there are no images of two models, or of one that is named.
        RecipeError, RankingError: as :func:`synpic.study.possible.images_to_show`.
    """
    images = images_to_show(workspace.snapshot())
    names = compared_models(models, images.candidates)
    pairs = pairs_of_models(images.candidates, names)
    by_models = pairs.group_by(MODELS).agg(pairs=pl.len(), prompts=pl.col("prompt_id").n_unique())
    every = len(names) * (len(names) - 1) // 2
    least = by_models.sort("prompts", "pairs").head(1) if by_models.height == every else None
    fewest = (0, 0) if least is None else least.select("pairs", "prompts").row(0)
    return PairsHere(
        models=every,
        pairs=pairs.height,
        seeded=pairs.filter(pl.col("basis") == "seed").height,
        prompts=pairs["prompt_id"].n_unique(),
        fewest_pairs=fewest[0],
        fewest_prompts=fewest[1],
        flagged=images.flagged,
        dropped=images.dropped,
    )


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
    every = pairs * m * size.model_pairs * size.questions
    answers = math.ceil(every * (1 + size.repeats + size.checks))
    return StudyForecast(size, votes, pairs, answers, answers * size.seconds / 3600, to_see)
