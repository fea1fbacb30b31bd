"""A suite's numbers from the answers to its questions, with what is missing beside each.

An image counts with all its questions or not at all; a prompt with the images that have a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synpic.score.judges.official_quirks import Quirks, last_image_categories
from synpic.score.judges.question_rules import Rule
from synpic.score.judges.questions import ImageQuestion, arithmetic_mean, geometric_mean
from synpic.score.judges.verdict import VerdictPart

__all__ = [
    "AnsweredItem",
    "CategoryAnswer",
    "CategoryScore",
    "QuestionScores",
    "broad_category",
    "category_answers",
    "image_score",
    "question_scores",
    "share_of_yes",
]

Parts = Sequence[VerdictPart]
"""The answers about one image: those of its verdict."""


@dataclass(frozen=True)
class AnsweredItem:
    """A prompt of a suite, and what a judge found in the images of one model.

    Args:
        questions: what it asks, in the suite's order.
        images: of each image that was to be judged, in the order in which they were to be drawn;
            None of one without a verdict.
    """

    questions: Sequence[ImageQuestion]
    images: Sequence[Parts | None]

    @property
    def judged(self) -> list[Parts]:
        """Images that have a verdict."""
        return [parts for parts in self.images if parts is not None]


@dataclass(frozen=True)
class CategoryAnswer:
    """One answer, as it counts for its category.

    Args:
        image: the number of its image, from 0; -1 where the last one stands for all.
        question: its id.
        category: "" of a question without.
        value: 0 … 1.
    """

    image: int
    question: str
    category: str
    value: float


@dataclass(frozen=True)
class CategoryScore:
    """The answers to the questions of one category.

    Args:
        value: 0 … 1.
        n: answers.
    """

    value: float
    n: int


@dataclass(frozen=True)
class QuestionScores:
    """One model on one suite, by one judge.

    Args:
        score: mean over questions, then images, then prompts, 0 … 1; None without a verdict.
        items: prompts with a verdict.
        images: verdicts.
        missing_items: prompts without a verdict.
        missing_images: images without one, of all prompts.
        yes: share of yes among the answers that are yes or no; None where there are none. A judge
            that says yes to almost everything shows here.
        categories: by the suite's own names.
        broad: by what stands before " - " in them: "entity" of "entity - whole".
    """

    score: float | None
    items: int
    images: int
    missing_items: int
    missing_images: int
    yes: float | None
    categories: Mapping[str, CategoryScore]
    broad: Mapping[str, CategoryScore]

    @property
    def partial(self) -> bool:
        """Whether something is missing: then the score is that of another suite."""
        return self.missing_images > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "partial": self.partial}


def image_score(parts: Parts, rule: Rule) -> float:
    """What one image counts for, 0 … 1.

    The share of correct parts of ``dpg`` and ``dsg``; the arithmetic or geometric mean of the
    probabilities of ``soft-tifa-am`` and ``soft-tifa-gm``; of ``all`` 1 where each part is correct.

    Args:
        parts: at least one.
    """
    if rule in ("dpg", "dsg"):
        return sum(part.correct for part in parts) / len(parts)
    if rule == "all":
        return float(all(part.correct for part in parts))
    mean = arithmetic_mean if rule == "soft-tifa-am" else geometric_mean
    return mean([_probability(part) for part in parts])


def question_scores(
    items: Sequence[AnsweredItem], rule: Rule, quirks: Quirks = "none"
) -> QuestionScores:
    """The number of a suite: mean over questions, images of a prompt, and prompts.

    A category's number is the mean over its questions in all images: shares of correct parts, or
    probabilities of Soft-TIFA. With ``quirks="official"``, those of DPG-Bench are counted as its
    program counts them: over the last image of each prompt alone, without dependencies.

    Args:
        items: every prompt of the suite.
        rule: by which the images were judged. Both of Soft-TIFA's can be computed from verdicts of
            either.
    """
    there = [item for item in items if item.judged]
    means = [
        math.fsum(image_score(parts, rule) for parts in item.judged) / len(item.judged)
        for item in there
    ]
    answers = [
        (one.category, one.value) for item in there for one in category_answers(item, rule, quirks)
    ]
    return QuestionScores(
        score=math.fsum(means) / len(means) if means else None,
        items=len(there),
        images=sum(len(item.judged) for item in there),
        missing_items=len(items) - len(there),
        missing_images=sum(len(item.images) - len(item.judged) for item in items),
        yes=share_of_yes(parts for item in there for parts in item.judged),
        categories=_means(answers),
        broad=_means((broad_category(name), value) for name, value in answers),
    )


def share_of_yes(images: Iterable[Parts]) -> float | None:
    """The share of yes among all answers that are yes or no, before any rule; None of none."""
    answers = [part.answer.strip().casefold() for parts in images for part in parts]
    yes, no = answers.count("yes"), answers.count("no")
    return yes / (yes + no) if yes + no else None


def broad_category(name: str) -> str:
    """What stands before " - ": "entity" of "entity - whole"."""
    return name.partition(" - ")[0].strip()


def category_answers(item: AnsweredItem, rule: Rule, quirks: Quirks) -> Iterator[CategoryAnswer]:
    """Each answer that counts for a category: see :func:`question_scores`.

    Args:
        rule: by which the images were judged.
    """
    if rule == "dpg" and quirks == "official":
        counted = last_image_categories(item.questions, item.judged)
        for question, right in zip(item.questions, counted, strict=False):
            yield CategoryAnswer(-1, question.id, question.category, float(right))
        return
    category = {one.id: one.category for one in item.questions}
    soft = rule.startswith("soft-tifa")
    for number, parts in enumerate(item.images):
        for part in parts or ():
            value = _probability(part) if soft else float(part.correct)
            yield CategoryAnswer(number, part.id, category[part.id], value)


def _means(answers: Iterable[tuple[str, float]]) -> dict[str, CategoryScore]:
    """The mean of each category that has a name, in the order of names."""
    values: dict[str, list[float]] = {}
    for name, value in answers:
        if name:
            values.setdefault(name, []).append(value)
    return {
        name: CategoryScore(math.fsum(found) / len(found), len(found))
        for name, found in sorted(values.items())
    }


def _probability(part: VerdictPart) -> float:
    if part.probability is None:
        raise ValueError(f"the answer to {part.question!r} has no probability")
    return part.probability
