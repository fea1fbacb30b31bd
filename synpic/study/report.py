"""What a study found: of votes.db and study.json alone.

A tie is half a win for each, and so is "both bad"; both are counted too. Skips, repeats and checks
take no part in win rates, and neither do raters that the rule leaves out. Intervals are clustered
by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse.csgraph import connected_components

from synpic.evaluate.intervals import Estimate, clustered_share, wilson
from synpic.evaluate.strengths import elo_points
from synpic.study.agreement import alpha
from synpic.study.choices import choices_of
from synpic.study.definition import Study
from synpic.study.raters import (
    RaterFacts,
    RaterRule,
    agrees_with_itself,
    left_out,
    look_at_raters,
)

__all__ = ["ModelPair", "QuestionReport", "StudyReport", "elo_ratings", "make_report"]

_SHARES = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class ModelPair:
    """Two models, under one question.

    Args:
        wins, losses: votes for an image of ``first``, and of ``second``.
        comparisons: pairs of images that have a vote.
        win_rate: of ``first``, a tie as half a win.
    """

    first: str
    second: str
    wins: int
    losses: int
    ties: int
    both_bad: int
    skipped: int
    comparisons: int
    win_rate: Estimate

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class QuestionReport:
    """One question.

    Args:
        pairs: two models each.
        same_model: votes on two images of one model, which are in no pair.
        ratings: model → Bradley–Terry rating, of mean 1000, where 400 are odds of 10 to 1; None
            where there are fewer than three models, or votes do not fix it.
        alpha: Krippendorff's, nominal.
    """

    name: str
    text: str
    pairs: Sequence[ModelPair]
    same_model: int
    ratings: dict[str, float] | None
    alpha: Estimate


@dataclass(frozen=True)
class StudyReport:
    """A study.

    Args:
        votes: answers that count, checks and repeats among them, skips not.
        left_side: share of answers for the left image, of those for a side; ½ is no bias.
        repeated: share of repeats with the same choice.
        passed: share of checks in which the image of the prompt was taken.
        both_bad_checks: checks that were answered "both bad", which count neither way.
        seconds: median time of an answer.
        rule: by which raters are left out.
        raters: all of them.
    """

    name: str
    votes: int
    questions: Sequence[QuestionReport]
    left_side: Estimate
    repeated: Estimate
    passed: Estimate
    both_bad_checks: int
    seconds: float | None
    rule: RaterRule
    raters: Sequence[RaterFacts]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def make_report(study: Study, votes: pl.DataFrame, rule: RaterRule | None = None) -> StudyReport:
    """Count ``votes`` (as :func:`synpic.workspace.votes.read_votes` gives them).

    Raises:
        WorkspaceError: they are not of this study.
        MissingExtra: the library for α is not installed.
    """
    rule = rule or RaterRule()
    every = choices_of(study, votes)
    raters = look_at_raters(every, rule)
    kept = every.filter(~pl.col("rater").is_in(list(left_out(raters))))
    given = kept.filter(pl.col("choice") != "skip")
    sided = given.filter(pl.col("answer").is_in(["left", "right"]) & (pl.col("kind") != "check"))
    repeats = agrees_with_itself(kept)
    counted = [one for one in raters if one.left_out is None]
    real = kept.filter(pl.col("kind") == "real")
    median = given["milliseconds"].median()
    return StudyReport(
        name=study.name,
        votes=given.height,
        questions=[
            _question(real.filter(pl.col("question") == one.name), one.name, one.text)
            for one in study.questions
        ],
        left_side=wilson(int((sided["answer"] == "left").sum()), sided.height),
        repeated=wilson(int(repeats["same"].sum()), repeats.height),
        passed=wilson(sum(one.passed for one in counted), sum(one.checks for one in counted)),
        both_bad_checks=sum(one.both_bad for one in counted),
        seconds=None if median is None else float(median) / 1000,  # type: ignore[arg-type]
        rule=rule,
        raters=raters,
    )


def _question(real: pl.DataFrame, name: str, text: str) -> QuestionReport:
    given = real.filter(pl.col("choice") != "skip")
    apart = given.filter(pl.col("first_model") != pl.col("second_model"))
    pairs = [
        _pair(str(first), str(second), rows)
        for (first, second), rows in real.sort("first_model", "second_model").group_by(
            "first_model", "second_model", maintain_order=True
        )
        if first != second
    ]
    return QuestionReport(
        name=name,
        text=text,
        pairs=pairs,
        same_model=given.height - apart.height,
        ratings=_ratings(pairs),
        alpha=alpha(real),
    )


def _pair(first: str, second: str, rows: pl.DataFrame) -> ModelPair:
    counts = dict(rows["choice"].value_counts().iter_rows())
    given = rows.filter(pl.col("choice") != "skip")
    shares = given["choice"].replace_strict(_SHARES, return_dtype=pl.Float64).to_numpy()
    return ModelPair(
        first=first,
        second=second,
        wins=counts.get("first", 0),
        losses=counts.get("second", 0),
        ties=counts.get("tie", 0),
        both_bad=counts.get("both_bad", 0),
        skipped=counts.get("skip", 0),
        comparisons=given["comparison"].n_unique(),
        win_rate=clustered_share(shares, given["prompt_id"].to_numpy()),
    )


def _ratings(pairs: Sequence[ModelPair]) -> dict[str, float] | None:
    models = sorted({name for one in pairs for name in (one.first, one.second)})
    wins = np.zeros((len(models), len(models)))
    for one in pairs:
        half = (one.ties + one.both_bad) / 2
        at = models.index(one.first), models.index(one.second)
        wins[at] += one.wins + half
        wins[at[::-1]] += one.losses + half
    return None if len(models) < 3 else elo_ratings(models, wins)


def elo_ratings(models: Sequence[str], wins: np.ndarray[Any, Any]) -> dict[str, float] | None:
    """Bradley–Terry ratings of mean 1000, where 400 are odds of 10 to 1.

    Args:
        wins: ``Float[k, k]``, at (i, j) how often model i won against j.

    Returns:
        None where votes do not fix them: models are not connected by comparisons, or one has won,
        or lost, all of its comparisons with another.
    """
    met = (wins + wins.T) > 0
    parts, _ = connected_components(met, directed=False)
    if parts > 1 or (wins[met] <= 0).any():
        return None
    ratings = elo_points(wins[:, :, None])[:, 0]
    return {model: float(one) for model, one in zip(models, ratings, strict=True)}
