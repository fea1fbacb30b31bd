"""Evaluations on the way of a training run, in a workspace of their own beside its checkpoints.

Its models are the base and the model after each evaluated step. So the base is drawn once, a kill
costs no image, and the pages and tables of any evaluation show how the run went.

A checkpoint that is chosen by a number, or a run that is stopped by it, is fitted to it. So
checkpoints are evaluated by prompts that are set aside: by another suite where there is one for
them, and else by a fixed part of the suite, of which a record is left beside the model.
"""

from __future__ import annotations

import os
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.engine.progress import Listener
from synpic.errors import EvaluationError, RecipeError
from synpic.evaluate.asked_suite import AskedSuite
from synpic.evaluate.compare_models import OVERALL
from synpic.evaluate.evaluation import Evaluation, evaluate_models
from synpic.evaluate.report import record_evaluation
from synpic.evaluate.running import HowToRun, make_what_is_missing, require_known
from synpic.pipeline.asked import named_tables
from synpic.prompts.suites import find_suite, open_suite
from synpic.readers.display import count, number
from synpic.recipe.toml import write_toml
from synpic.registry import SUITES
from synpic.release.cards.training import StepEvaluation, StepMetric
from synpic.release.run_folder import EVALUATIONS, finished_evaluations, step_name
from synpic.train.evaluations import SavedStep, evaluated_steps
from synpic.train.settings import TrainRecipe
from synpic.workspace import RECIPE, Workspace

__all__ = ["CheckpointEvaluation", "EvaluationImages"]

_BASE = "base"
_MODELS = "models"
_HEAD = (
    "# Written by `synpic train`: the model before the first step, and after each evaluated one.\n"
)


@dataclass(frozen=True)
class EvaluationImages:
    """What evaluations on the way come to.

    Args:
        suite: by whose prompts.
        prompts: of it, at every checkpoint.
        steps: after which there is one, of those that are left.
        images: to draw for them, those of the base too.
    """

    suite: str
    prompts: int
    steps: list[int]
    images: int


class CheckpointEvaluation:
    """What ``synpic train`` hands to the trainer as ``on_checkpoint``.

    Args:
        recipe: with ``evaluate.every``.
        out: the folder of the run.
        listener: receives progress of drawing and judging.
        stop: when set, what is at work is finished and kept.

    Raises:
        RecipeError: ``[evaluate]`` names what is not there, or too much of a suite.
        SynpicError: the suite cannot be read.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        out: str | Path,
        *,
        listener: Listener | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._settings, self._recipe = recipe.evaluate, recipe
        self._folder = Path(out) / EVALUATIONS
        self._listener, self._stop = listener, stop
        self._asked = _asked(recipe)
        self._asked.import_modules()
        trial = Workspace(self._folder).without_writing()
        trial.store.write(RECIPE, self._text([]).encode())
        snapshot = trial.snapshot()
        require_known(snapshot)
        assert snapshot.recipe.suite is not None, "the text has one"
        opened = open_suite(snapshot.recipe.suite, snapshot)
        whole = len(opened.content.items)
        if self._asked.name == self._settings.suite and 2 * len(opened.items) > whole:
            raise RecipeError(
                f"evaluate.limit: {number(len(opened.items))} of the {count(whole, 'item')} of "
                f"{self._asked.name}, and at least half of a suite is left for the evaluation that "
                "is reported",
                hint=f"at most {whole // 2}; or prompts of your own in a file",
            )
        self._images = opened.images
        self.prompts = [item.prompt for item in opened.items]

    def forecast(self, done: int) -> EvaluationImages:
        """What is left of it after ``done`` steps of the run."""
        known = finished_evaluations(self._folder)
        left = [one for one in evaluated_steps(self._recipe) if one >= done and one not in known]
        prompts = len(dict.fromkeys(self.prompts))
        models = len(left) + (0 if known or not left else 1)
        return EvaluationImages(self._asked.label, prompts, left, models * prompts * self._images)

    def __call__(self, saved: SavedStep) -> StepEvaluation:
        """Draw and judge what is missing, and compare the model with the base.

        Raises:
            Stopped: ``stop`` was set; what was made is kept.
            EvaluationError: the workspace was begun with other prompts, judges or rewards.
            SynpicError: as drawing and judging do.
        """
        workspace = Workspace(self._folder)
        steps = sorted({*finished_evaluations(self._folder), saved.step})
        text = self._text(steps)
        if workspace.store.exists(RECIPE):
            self._require_same(workspace, text)
        workspace.store.write(RECIPE, text.encode())
        snapshot = workspace.snapshot()
        reports = make_what_is_missing(
            snapshot, HowToRun(saved.device), listener=self._listener, stop=self._stop
        )
        try:
            found = evaluate_models(snapshot)
        except EvaluationError:
            for report in reports:  # why nothing was seen comes first
                report.raise_if_unfinished()
            raise
        record_evaluation(found, workspace)
        return _found(found, saved.step)

    def _require_same(self, workspace: Workspace, text: str) -> None:
        there = tomllib.loads(workspace.store.read(RECIPE).decode())
        new = tomllib.loads(text)
        differ = [key for key in new if key != _MODELS and there.get(key) != new[key]]
        if differ:
            raise EvaluationError(
                f"{self._folder} was begun with another [{differ[0]}]",
                hint="put [evaluate] of the recipe back, or move that folder away: its numbers are "
                "of other prompts or judges",
            )

    def _text(self, steps: list[int]) -> str:
        """The recipe of the workspace."""
        asked = self._asked
        suite = (
            {"file": self._path(str(asked.file))} if asked.name is None else {"name": asked.name}
        )
        base = self._recipe.model.model_dump(mode="json", exclude_defaults=True)
        place = base.get("checkpoint")
        if place is not None and Path(place).expanduser().exists():
            base["checkpoint"] = self._path(place)
        return _HEAD + write_toml(
            {
                "suite": {**suite, "limit": asked.limit},
                _MODELS: {_BASE: base, **{step_key(one): self._after(base, one) for one in steps}},
                "judges": named_tables("judge", asked.judges),
                "rewards": named_tables("reward", {one: {} for one in asked.rewards}),
                "compare": {"base": _BASE},
            }
        )

    def _after(self, base: dict[str, Any], step: int) -> dict[str, Any]:
        """The model after ``step``, drawn as the base is."""
        place = f"./{_MODELS}/{step_name(step)}"
        if self._recipe.saves == "lora":
            return {**base, "adapters": [{"checkpoint": place}]}
        kept = {key: base[key] for key in base if key not in ("revision", "variant")}
        return {**kept, "checkpoint": place}

    def _path(self, place: str) -> str:
        """A file or folder as the recipe of the workspace names it."""
        whole = os.path.realpath(Path(place).expanduser())
        if not self._folder.is_dir():
            return whole  # no way leads up from a folder that is not there
        return os.path.relpath(whole, os.path.realpath(self._folder))


def step_key(step: int) -> str:
    """What the model after ``step`` is called in the workspace."""
    return step_name(step).replace("-", "_")


def _asked(recipe: TrainRecipe) -> AskedSuite:
    """The suite of ``[evaluate]``, or what there is in its place for checkpoints."""
    settings = recipe.evaluate
    name = str(settings.suite)
    if not Path(name).is_file() and (name in SUITES.names() or ":" in name):
        name = find_suite(name).at_checkpoints or name
    try:
        return AskedSuite.of(name, settings.judges, settings.rewards, settings.limit)
    except EvaluationError as error:
        raise RecipeError(
            f"evaluate: {error.message}",
            hint="evaluate.suite is a suite of `synpic list suites` or a file; evaluate.judges and "
            "evaluate.rewards name what looks at its images",
        ) from error


def _found(found: Evaluation, step: int) -> StepEvaluation:
    """What an evaluation of all steps says of one."""
    model, metrics = step_key(step), {}
    for measure in found.measures:
        rows = {one.model: one for one in measure.results if one.tag == OVERALL}
        own, difference = rows[model], rows[model].difference
        apart = None if difference is None else difference.mean
        metrics[measure.name] = StepMetric(
            mean=own.mean.value,
            base=rows[_BASE].mean.value,
            difference=None if apart is None else apart.value,
            low=None if apart is None else apart.low,
            high=None if apart is None else apart.high,
            missing=own.missing,
            trail=measure.trails[model],
        )
    assert found.suite is not None, "the workspace is of one"
    return StepEvaluation(
        step=step,
        suite=found.suite.name,
        version=found.suite.version,
        prompts=found.prompts,
        metrics=metrics,
        drawn=found.facts[model].drawn,
    )
