"""What each model got on each category of a suite's questions, by one judge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from synpic.errors import EvaluationError
from synpic.evaluate.bootstrap import RESAMPLES
from synpic.evaluate.compare_models import Items, means_and_differences
from synpic.evaluate.intervals import Estimate
from synpic.evaluate.metrics import Metric
from synpic.evaluate.question_scores import (
    AnsweredItem,
    broad_category,
    category_answers,
)
from synpic.pipeline.inventory import Inventory
from synpic.score.judges.question_rules import RULES, Rule
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.questions import ImageQuestion
from synpic.score.judges.verdict import VerdictPart

__all__ = ["CategoryResult", "category_results"]


@dataclass(frozen=True)
class CategoryResult:
    """What a model got on the questions of one category.

    Args:
        model: its name.
        category: "entity - whole"; or "entity", of all categories that begin so.
        mean: over the answers that count, 0 … 1; ``n`` of them, of ``clusters`` prompts.
        difference: from the base, over answers that both have; None of the base itself, and where
            there are none.
    """

    model: str
    category: str
    mean: Estimate
    difference: Estimate | None

    @property
    def broad(self) -> bool:
        """Whether it is no part of another category."""
        return broad_category(self.category) == self.category


def category_results(
    inventory: Inventory,
    metric: Metric,
    wanted: pl.DataFrame,
    base: str,
    fingerprint: str,
    units: Mapping[str, str],
    *,
    resamples: int = RESAMPLES,
) -> list[CategoryResult]:
    """Every model on every category, broad ones before their parts.

    A category's number is the mean over its questions in all images
    (:func:`synpic.evaluate.question_scores.question_scores`). Intervals of 95 % are by bootstrap
    over prompts, with the same draws for all models.

    Args:
        metric: other than a judge that answers the suite's questions, it has no categories.
        wanted: images: candidate_id, prompt_id, model, nth.
        base: the model that others are compared with.
        fingerprint: of the evaluation; the seed.
        units: of a prompt, what is independent of others, where it is not the prompt.
        resamples: sets that are drawn again.
    """
    asked = _asked(inventory) if metric.kind == "judge" and metric.part is None else {}
    if not any(one.category for questions in asked.values() for one in questions):
        return []
    models = list(dict.fromkeys(wanted["model"]))
    by_category = _answers(_answered(inventory, metric, wanted, asked), metric)
    found = []
    for category in sorted(by_category):
        items = _items(by_category[category], models, units, category)
        compared = means_and_differences(items, base, fingerprint=fingerprint, resamples=resamples)
        found += [
            CategoryResult(model, category, mean, difference)
            for model, (mean, difference) in compared.items()
        ]
    return found


_Answer = tuple[str, int, str]
"""Prompt, image and question."""


def _asked(inventory: Inventory) -> dict[str, list[ImageQuestion]]:
    """Prompt id → the questions about its images; without items that ask none."""
    found = {}
    for prompt, item in inventory.suite.items.items():
        spec = json.loads(item.spec)
        if spec.get("questions"):
            try:
                found[prompt] = questions_of(spec)
            except EvaluationError:
                continue  # what a judge of one's own reads in it is not known
    return found


def _answered(
    inventory: Inventory,
    metric: Metric,
    wanted: pl.DataFrame,
    asked: Mapping[str, Sequence[ImageQuestion]],
) -> dict[tuple[str, str], AnsweredItem]:
    """Model and prompt → the answers about its images, by a judge that answers the questions."""
    said = inventory.verdicts(metric.source).select("candidate_id", "parts")
    rows = wanted.join(said, on="candidate_id", how="left", maintain_order="left")
    images: dict[tuple[str, str], list[list[VerdictPart] | None]] = {}
    for model, prompt, parts in rows.select("model", "prompt_id", "parts").iter_rows():
        if prompt in asked:
            images.setdefault((model, prompt), []).append(_parts(parts, asked[prompt]))
    return {key: AnsweredItem(asked[key[1]], found) for key, found in images.items()}


def _parts(
    rows: Sequence[Mapping[str, Any]] | None, questions: Sequence[ImageQuestion]
) -> list[VerdictPart] | None:
    """The parts of a verdict; None where they are not the answers to all ``questions``."""
    parts = [VerdictPart(**row) for row in rows or ()]
    answered = {(one.id, one.question) for one in parts}
    return parts if answered == {(one.id, one.text) for one in questions} else None


def _answers(
    answered: Mapping[tuple[str, str], AnsweredItem], metric: Metric
) -> dict[str, dict[_Answer, dict[str, float]]]:
    """Category → answer → model → what it counts for."""
    options = metric.decides.get("options") or {}
    rule = cast(Rule, options["rule"] if options.get("rule") in RULES else "dsg")
    found: dict[str, dict[_Answer, dict[str, float]]] = {}
    for (model, prompt), item in answered.items():
        for one in category_answers(item, rule, options.get("quirks", "none")):
            key = prompt, one.image, one.question
            for category in {one.category, broad_category(one.category)} - {""}:
                found.setdefault(category, {}).setdefault(key, {})[model] = one.value
    return found


def _items(
    answers: Mapping[_Answer, Mapping[str, float]],
    models: Sequence[str],
    units: Mapping[str, str],
    category: str,
) -> Items:
    rows = [(units.get(key[0], key[0]), values) for key, values in sorted(answers.items())]
    return Items(
        {model: np.array([values.get(model, np.nan) for _, values in rows]) for model in models},
        [unit for unit, _ in rows],
        [category] * len(rows),
    )
