"""Evaluations that are published with a model: read, and held to it, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synpic.errors import PublishError
from synpic.readers.display import count, number
from synpic.release.cards.evaluated import (
    ModelEvaluation,
    benchmark_entry,
    evaluation_section,
    model_results,
)
from synpic.workspace.evaluations import RecordedEvaluation, read_evaluation

__all__ = ["ENTRIES", "ModelEvaluations", "read_evaluations", "written_by_synpic"]

ENTRIES = ".eval_results/"
"""Where a model's repository has its results on benchmarks that the Hub knows."""

_MARK = "# Written by synpic publish; another model replaces or removes it.\n"

_BENCHMARK = re.compile(r"(?:([^=:]+)=)?([\w.-]+/[\w.-]+):([\w.-]+)", re.ASCII)


@dataclass(frozen=True)
class ModelEvaluations:
    """What a model's evaluations found.

    Args:
        evaluations: at least one; each of another suite, or by other metrics.
        benchmarks: suite → dataset and task of a benchmark on the Hub.
    """

    evaluations: Sequence[ModelEvaluation]
    benchmarks: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def section(self) -> str:
        """For the body of a card, as Markdown."""
        return evaluation_section(self.evaluations)

    def results(self, page: str) -> list[dict[str, Any]]:
        """For the ``model-index`` of a card's head.

        Args:
            page: of the model.
        """
        return model_results(self.evaluations, f"{page}#evaluation")

    def entries(self, page: str) -> dict[str, bytes]:
        """Path → content of the files that benchmarks on the Hub read."""
        import yaml  # type: ignore[import-untyped]

        found = {}
        for one in self.evaluations:
            if one.suite.name in self.benchmarks:
                dataset, task = self.benchmarks[one.suite.name]
                entry = benchmark_entry(one, dataset, task, f"{page}#evaluation")
                text = yaml.dump([entry], allow_unicode=True, sort_keys=False)
                name = re.sub(r"[^\w.-]+", "-", one.suite.name, flags=re.ASCII).strip(".-")
                found[f"{ENTRIES}{name or 'suite'}.yaml"] = (_MARK + text).encode()
        return found


def written_by_synpic(data: bytes) -> bool:
    """Whether a file below ``ENTRIES`` is one that publishing wrote."""
    return data.startswith(_MARK.encode())


def read_evaluations(
    places: Sequence[str | Path], benchmarks: Sequence[str], training: str, folder: Path
) -> ModelEvaluations | None:
    """The evaluations at ``places``, as those of the model in ``folder``.

    Args:
        places: reports of ``synpic eval``, or workspaces that it read.
        benchmarks: ``owner/dataset:task``, with ``SUITE=`` before it where there are several.
        training: the SHA-256 of the model's ``training.json``.
        folder: the model's, for messages.

    Returns:
        None without places.

    Raises:
        EvaluationError: one of them is none, or is damaged.
        PublishError: one is partial, of no suite, lacks values, or is of another model; or a
            benchmark is of no suite here.
    """
    found: list[ModelEvaluation] = []
    seen: dict[tuple[str, str], Path] = {}
    for place in map(Path, places):
        one = _of_model(read_evaluation(place), place, training, folder)
        for measure in one.found.measures:
            key = one.suite.name, measure.metric
            if key in seen:
                raise PublishError(
                    f"--evaluation {seen[key]} and {place} are both of {one.suite.name} by "
                    f"{measure.metric}",
                    hint="name one of them",
                )
            seen[key] = place
        found.append(one)
    known = _benchmarks(benchmarks, found)
    return ModelEvaluations(found, known) if found else None


def _of_model(
    found: RecordedEvaluation, place: Path, training: str, folder: Path
) -> ModelEvaluation:
    where = f"--evaluation {place}"
    suite = found.suite
    if suite is None:
        raise PublishError(
            f"{where}: it is of no suite, so that its numbers have no name by which others know "
            "them",
            hint="`synpic list suites` shows what there is; [suite] of a recipe takes a file of "
            "your own, too",
        )
    if suite.partial:
        raise PublishError(
            f"{where}: it is partial: {number(suite.items)} of {count(suite.whole, 'item')} of "
            f"{suite.name}",
            hint="evaluate on the whole suite: take `limit` out of [suite] of its recipe, and run "
            "`synpic eval` there again",
        )
    models = [name for name, one in found.models.items() if one.training == training]
    if not models:
        raise PublishError(
            f"{where}: none of its models ({', '.join(found.models)}) is the one in {folder}, "
            f"whose training.json has the SHA-256 {training[:12]}…",
            hint=f"evaluate what is published: synpic eval {folder} --suite {suite.name}",
        )
    if len(models) > 1:
        raise PublishError(
            f"{where}: its models {' and '.join(models)} are both the one in {folder}, with other "
            "settings",
            hint="publish an evaluation that compares it once",
        )
    one = ModelEvaluation(found, suite, models[0])
    _require_whole(one, where)
    return one


def _require_whole(one: ModelEvaluation, where: str) -> None:
    """Refuse an evaluation in which the model, or the base, lacks a value."""
    for measure in one.found.measures:
        for row in measure.results:
            if row.missing and row.model in (one.model, one.found.base):
                raise PublishError(
                    f"{where}: no value of {count(row.missing, 'image')} of {row.model} by "
                    f"{measure.metric}",
                    hint="`synpic eval` in its workspace makes what is missing; `synpic status` "
                    "there says why it is",
                )


def _benchmarks(
    written: Sequence[str], evaluations: Sequence[ModelEvaluation]
) -> dict[str, tuple[str, str]]:
    """Suite → dataset and task."""
    suites = {one.suite.name: one for one in evaluations}
    found: dict[str, tuple[str, str]] = {}
    for text in written:
        match = _BENCHMARK.fullmatch(text)
        if match is None:
            raise PublishError(
                f"--benchmark {text}: expected owner/dataset:task",
                hint="as in cais/hle:hle; the task is one that eval.yaml of the dataset names",
            )
        suite = match[1] or (next(iter(suites)) if len(suites) == 1 else None)
        if suite not in suites:
            named = f"no evaluation of {suite}" if suite else "it does not say of which suite"
            raise PublishError(
                f"--benchmark {text}: {named}",
                hint=f"write SUITE={match[2]}:{match[3]}; suites here: "
                f"{', '.join(suites) or 'none: name one with --evaluation'}",
            )
        if suite in found:
            raise PublishError(
                f"--benchmark {text}: {suite} has another benchmark already",
                hint="name one benchmark for each suite",
            )
        if not suites[suite].held_out:
            raise PublishError(
                f"--benchmark {text}: every metric of {suite} labelled what the model was "
                "trained on",
                hint="evaluate by a judge or reward that did not",
            )
        found[suite] = match[2], match[3]
    return found
