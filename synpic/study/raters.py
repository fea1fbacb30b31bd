"""Raters one by one: what they did with checks and repeats, and who is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import polars as pl

__all__ = ["RaterFacts", "RaterRule", "agrees_with_itself", "left_out", "look_at_raters"]


@dataclass(frozen=True)
class RaterRule:
    """Who is left out of a report and of labels.

    Args:
        checks: from this number of answered checks on, ``passed`` counts.
        passed: the least share of checks in which the image of the prompt was taken; as it is
            written: 0.28 is 7 of 25.
        fastest: the least median of milliseconds; no person compares two images faster.
    """

    checks: int = 3
    passed: float = 0.6
    fastest: int = 300

    def __str__(self) -> str:
        checks = f"of {self.checks} or more checks fewer than {100 * self.passed:g}% passed"
        return f"{checks}, or a median time below {self.fastest} ms"


@dataclass(frozen=True)
class RaterFacts:
    """One rater.

    Args:
        votes: answers, skips among them.
        checks: those that were answered with an image, or a tie.
        passed: of those, where the image that belongs to the prompt was taken.
        both_bad: checks that were answered "both bad", which say nothing of attention: they count
            neither way, as skips do.
        repeats: comparisons that were answered twice.
        repeated: of those, with the same choice.
        left, right: answers for that side.
        median: milliseconds of an answer, in the middle; skips are none. None without answers.
        left_out: why; None where the rater counts.
    """

    rater: str
    votes: int
    checks: int
    passed: int
    both_bad: int
    repeats: int
    repeated: int
    left: int
    right: int
    median: float | None
    left_out: str | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def look_at_raters(choices: pl.DataFrame, rule: RaterRule) -> list[RaterFacts]:
    """Each rater of ``choices`` (as :func:`synpic.study.choices.choices_of` gives them), by id."""
    repeats = agrees_with_itself(choices)
    found = []
    for (rater,), rows in choices.group_by("rater", maintain_order=True):
        shown = rows.filter(pl.col("kind") == "check")
        checks = shown.filter(~pl.col("choice").is_in(["both_bad", "skip"]))
        mine = repeats.filter(pl.col("rater") == rater)
        given = rows.filter((pl.col("answer") != "skip") & (pl.col("kind") != "check"))
        facts = RaterFacts(
            rater=str(rater),
            votes=rows.height,
            checks=checks.height,
            passed=int((checks["choice"] == "first").sum()),
            both_bad=int((shown["choice"] == "both_bad").sum()),
            repeats=mine.height,
            repeated=int(mine["same"].sum()),
            left=int((given["answer"] == "left").sum()),
            right=int((given["answer"] == "right").sum()),
            median=_median(rows.filter(pl.col("answer") != "skip")["milliseconds"]),
            left_out=None,
        )
        found.append(RaterFacts(**{**asdict(facts), "left_out": _why(facts, rule)}))
    return sorted(found, key=lambda one: one.rater)


def agrees_with_itself(choices: pl.DataFrame) -> pl.DataFrame:
    """A row for each comparison that a rater answered twice: rater, comparison, question and
    ``same``, whether both choices are equal. Where one of the two was skipped, there is none."""
    keys = ["rater", "comparison", "question"]
    given = choices.filter(pl.col("choice") != "skip")
    first = given.filter(pl.col("kind") == "real").select(*keys, "choice")
    again = given.filter(pl.col("kind") == "repeat").select(*keys, again="choice")
    both = first.join(again, on=keys, how="inner", maintain_order="left")
    return both.select(*keys, same=pl.col("choice") == pl.col("again"))


def _median(milliseconds: pl.Series) -> float | None:
    found = milliseconds.median()
    return None if found is None else float(found)  # type: ignore[arg-type]


def _why(facts: RaterFacts, rule: RaterRule) -> str | None:
    # As a share is written: 0.28 × 25 is more than 7 in floats.
    least = Fraction(repr(rule.passed)) * facts.checks
    if facts.checks >= rule.checks and facts.passed < least:
        return f"passed {facts.passed} of {facts.checks} checks"
    if facts.median is not None and facts.median < rule.fastest:
        return f"median time {facts.median:.0f} ms"
    return None


def left_out(raters: Sequence[RaterFacts]) -> Mapping[str, str]:
    """Rater → why, of those that are left out."""
    return {one.rater: one.left_out for one in raters if one.left_out is not None}
