"""The models of a workspace, compared by what its rewards and judges say of their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.evaluate.categories import CategoryResult, category_results
from synpic.evaluate.compare_models import OVERALL, Result
from synpic.evaluate.compared_images import ComparedImages, compared_images
from synpic.evaluate.drawn import drawn_as
from synpic.evaluate.metrics import Metric, metrics
from synpic.evaluate.significance import holm
from synpic.evaluate.strengths import Strength, strengths
from synpic.evaluate.suite_facts import SuiteFacts
from synpic.evaluate.trained_with import (
    Trail,
    record_of_training,
    rewards_of_training,
    trail,
)
from synpic.evaluate.training_overlap import (
    Overlap,
    read_record,
    results_without,
    training_overlaps,
)
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.workspace import Snapshot, Workspace
from synpic.workspace.tables import SCHEMA_VERSION

__all__ = ["Evaluation", "Measure", "ModelFacts", "evaluate_models"]


@dataclass(frozen=True, eq=False)
class Measure:
    """What one metric says of the models.

    Args:
        metric: a reward, or a judge.
        trails: of each model, whether the metric labelled what it was trained on.
        results: of each model, overall and of each tag.
        adjusted: of each model but the base and of each tag, the p of its difference, corrected by
            Holm's method for all metrics and tags; overall only where there are no tags.
        strengths: Bradley–Terry strengths; none of two models.
        unseen: overall, on the prompts that no model was trained on; none where that is all, or
            where nothing is left.
        categories: of a judge that asks a suite's questions, each model on each of their
            categories.
        values: of each image that is compared, what :data:`VALUES` says of it.
    """

    metric: Metric
    trails: Mapping[str, Trail]
    results: Sequence[Result]
    adjusted: Mapping[tuple[str, str], float]
    strengths: Sequence[Strength]
    unseen: Sequence[Result] = ()
    categories: Sequence[CategoryResult] = ()
    values: pa.Table | None = None

    @property
    def name(self) -> str:
        """The metric's."""
        return self.metric.name

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = []
        for one in self.results:
            row = {"model": one.model, "tag": one.tag, "missing": one.missing}
            row |= {"mean": one.mean.as_dict(), "trail": self.trails[one.model]}
            if one.difference is not None:
                row["difference"] = asdict(one.difference) | {
                    "p_holm": self.adjusted.get((one.model, one.tag)),
                    "seen": one.difference.seen,
                }
            rows.append(row)
        return {
            "metric": self.name,
            "kind": self.metric.kind,
            "fingerprint": self.metric.fingerprint,
            "overall": self.metric.overall,
            "results": rows,
            "without_training_prompts": [one.as_dict() for one in self.unseen],
            "strengths": [asdict(one) for one in self.strengths],
            "categories": [asdict(one) for one in self.categories],
            "notes": list(self.metric.notes),
        }


@dataclass(frozen=True)
class ModelFacts:
    """What an evaluation says of a model beside its numbers.

    Args:
        training: the SHA-256 of its ``training.json``; None without one.
        drawn: how its images were drawn, in a line.
    """

    training: str | None
    drawn: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Models compared.

    Args:
        base: the model that the others are compared with.
        models: all of them, in the order of the recipe: name → fingerprint.
        tag: the column of prompts by which results are apart; None without.
        prompts: how many.
        items: images of each model that are compared: prompts times samples.
        same_seed: on how many of ``items`` all models drew from one seed.
        measures: in the order of the recipe.
        trained_on: of each model whose training prompts are known, how many of the prompts are
            among them.
        suite: of which the prompts are; None where they are of none.
        of_suite: how many of the prompts are its.
        facts: of each model.
        prompts_hash: of the ids of all prompts.
    """

    base: str
    models: Mapping[str, str]
    tag: str | None
    prompts: int
    items: int
    same_seed: int
    measures: Sequence[Measure]
    trained_on: Mapping[str, Overlap]
    facts: Mapping[str, ModelFacts]
    prompts_hash: str
    suite: SuiteFacts | None = None
    of_suite: int = 0

    @property
    def asked(self) -> int:
        """Items of the suite that there are prompts of: of existing images, those that have any."""
        suite = self.suite
        return 0 if suite is None else min(suite.items, self.of_suite)

    def headline(self, model: str) -> Measure | None:
        """The first measure that does not come from what ``model`` was trained on; or none."""
        return next((one for one in self.measures if one.trails[model] != "in training"), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        others = [model for model in self.models if model != self.base]
        heads = {model: self.headline(model) for model in others}
        return {
            "schema_version": SCHEMA_VERSION,
            "synpic": version("synpic"),
            "base": self.base,
            "models": {
                model: {
                    "fingerprint": fingerprint,
                    **asdict(self.facts[model]),
                    "protocol": list(self.suite.differences.get(model, [])) if self.suite else [],
                }
                for model, fingerprint in self.models.items()
            },
            "suite": self.suite and {**self.suite.as_dict(), "items": self.asked},
            "tag": self.tag,
            "prompts": self.prompts,
            "prompts_hash": self.prompts_hash,
            "items": self.items,
            "same_seed": self.same_seed,
            "headline": {model: one and one.name for model, one in heads.items()},
            "trained_on": {model: asdict(one) for model, one in self.trained_on.items()},
            "measures": [one.as_dict() for one in self.measures],
        }


def evaluate_models(
    workspace: Workspace | Snapshot,
    *,
    base: str | None = None,
    rewards: Sequence[str] | None = None,
    tag: str | None = None,
) -> Evaluation:
    """Compare the models of a workspace on its prompts, by the scores that are there.

    The nth image that a model was to draw for a prompt is compared with the nth of the base. What
    is missing is counted, and leaves its pair out. Nothing is drawn or scored.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        base: the model to compare with; that of the recipe's [compare], or its first, if None.
        rewards: some of the recipe's rewards and judges; all that have seen an image if None.
        tag: a column of the prompts by which results are apart, without its ``meta_``; if None,
            that of the recipe's [compare], or the tags of its suite.

    Raises:
        EvaluationError: there are not two models with images, or no scores; a name is unknown; or
            two models draw alike.
        SynpicError: as ranking a workspace.
    """
    inventory = take_inventory(workspace)
    inventory.log_remarks()
    compared = compared_images(inventory, base, tag)
    suite, models, prompts = compared.suite, compared.models, compared.tags
    compare = inventory.recipe.compare
    if rewards is None and compare is not None and compare.rewards is not None:
        rewards = [*(one.name for one in inventory.judges), *compare.rewards]
    found = metrics(inventory, rewards, suite.overall if suite else "items")
    overlaps, seen = training_overlaps(inventory, models)
    return Evaluation(
        compared.base,
        models,
        compared.tag,
        prompts=len(prompts),
        items=compared.places.height,
        same_seed=int(compared.places["same_seed"].sum()),
        measures=_measures(inventory, compared, found, seen),
        trained_on=overlaps,
        facts={
            model: ModelFacts(
                read_record(inventory, model, record_of_training), drawn_as(inventory, model)
            )
            for model in models
        },
        suite=suite,
        of_suite=len(suite.tags.keys() & prompts.keys()) if suite else 0,
        prompts_hash=ids.fingerprint({"prompts": sorted(prompts)}),
    )


def _measures(
    inventory: Inventory, compared: ComparedImages, found: Sequence[Metric], seen: frozenset[str]
) -> list[Measure]:
    """What each metric says; ``seen`` are the prompts that models were trained on."""
    base, fingerprint = compared.base, compared.fingerprint
    known = {model: read_record(inventory, model, rewards_of_training) for model in compared.models}
    values = [compared.by(metric) for metric in found]
    results = [one.results() for one in values]
    adjusted = _adjusted(results)
    measures = []
    for at, metric in enumerate(found):
        items = values[at].items
        measures.append(
            Measure(
                metric,
                {model: trail(metric.source, metric.decides, known[model]) for model in known},
                results[at],
                {place[1:]: p for place, p in adjusted.items() if place[0] == at},
                strengths(items, fingerprint=fingerprint) if len(known) > 2 else [],
                results_without(
                    items,
                    compared.places["prompt_id"].to_list(),
                    seen,
                    base,
                    fingerprint,
                    metric.overall,
                ),
                category_results(
                    inventory, metric, compared.wanted, base, fingerprint, compared.units
                ),
                values[at].table(),
            )
        )
    return measures


def _adjusted(results: Sequence[Sequence[Result]]) -> dict[tuple[int, str, str], float]:
    """Of each metric, model and tag: the p of the difference, corrected for all of its model's."""
    by_model: dict[str, dict[tuple[int, str, str], float]] = {}
    for at, of_metric in enumerate(results):
        tags = {one.tag for one in of_metric} - {OVERALL} or {OVERALL}
        for one in of_metric:
            if one.difference is not None and one.tag in tags:
                by_model.setdefault(one.model, {})[at, one.model, one.tag] = one.difference.p
    found: dict[tuple[int, str, str], float] = {}
    for of_model in by_model.values():
        found |= dict(zip(of_model, holm(list(of_model.values())), strict=True))
    return found
