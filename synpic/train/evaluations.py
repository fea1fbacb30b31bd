"""Evaluations on the way: after which steps, of which model, and what was found.

What evaluates is handed in by the command: training knows no suite and no judge.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synpic.engine.device import free_memory
from synpic.errors import StorageError, TrainingError
from synpic.readers.json_models import read_json
from synpic.release.cards.training import FACTS, StepEvaluation
from synpic.release.run_folder import EVALUATIONS, step_name
from synpic.train.settings import TrainRecipe
from synpic.workspace.storage import Store

__all__ = ["Evaluations", "OnCheckpoint", "SavedStep", "evaluated_steps"]

_MODELS = "models"


@dataclass(frozen=True)
class SavedStep:
    """The model after a step, as it will be saved after the last.

    Args:
        folder: adapters or a pipeline, with ``training.json``; two folders below the workspace in
            which it is evaluated.
        device: on which it is trained, as torch calls it.
    """

    step: int
    folder: Path
    device: str

    @property
    def workspace(self) -> Path:
        """Where its images go, beside those of other steps."""
        return self.folder.parent.parent


class OnCheckpoint(Protocol):
    """What evaluates a model on the way."""

    @property
    def prompts(self) -> Sequence[str]:
        """By which every checkpoint is evaluated."""

    def __call__(self, saved: SavedStep) -> StepEvaluation:
        """Evaluate a model; called again after a kill, go on.

        Raises:
            Stopped: something asked to stop.
            SynpicError: it cannot be evaluated.
        """


class Evaluations:
    """Those of the run in ``out``, by the main process.

    Args:
        done: steps that a checkpoint holds; what was found after it, of steps that are taken
            again, is removed.

    Raises:
        TrainingError: one cannot be read.
    """

    def __init__(
        self, out: Path, recipe: TrainRecipe, on_checkpoint: OnCheckpoint | None, done: int
    ) -> None:
        self._folder = out / EVALUATIONS
        self._due = frozenset(evaluated_steps(recipe))
        self._on_checkpoint = on_checkpoint
        self.found: list[StepEvaluation] = []
        if on_checkpoint is None:
            return
        for path in sorted(self._folder.glob("step-*.json")):
            one = _read(path)
            if one.step <= done:
                self.found.append(one)
                continue
            path.unlink()
            shutil.rmtree(self._model(one.step), ignore_errors=True)

    def due(self, step: int) -> bool:
        """Whether the model is evaluated after ``step``."""
        return step in self._due

    @property
    def prompts(self) -> Sequence[str]:
        """By which checkpoints are evaluated."""
        return () if self._on_checkpoint is None else self._on_checkpoint.prompts

    def make(
        self, step: int, save: Callable[[Path, int], Any], device: str
    ) -> StepEvaluation | None:
        """Evaluate the model after ``step``, unless that was done.

        Args:
            save: writes the model as it is into a folder, whole or not at all.

        Returns:
            What was found; None where it was known.

        Raises:
            Stopped: something asked to stop; called again, it goes on.
            SynpicError: it cannot be evaluated.
        """
        if self._on_checkpoint is None or any(one.step == step for one in self.found):
            return None
        folder = self._model(step)
        if not (folder / FACTS).exists():
            save(folder, step)
        free_memory()
        found = self._on_checkpoint(SavedStep(step, folder, device))
        free_memory()
        text = json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False)
        try:
            Store(self._folder).write(f"{step_name(step)}.json", text.encode())
        except OSError as error:
            raise StorageError(
                f"{self._folder}: what was found cannot be written: {error}",
                hint="make room and run the command again: it goes on from here",
            ) from error
        self.found.append(found)
        return found

    def _model(self, step: int) -> Path:
        return self._folder / _MODELS / step_name(step)


def evaluated_steps(recipe: TrainRecipe) -> list[int]:
    """After which steps the model is evaluated: every ``evaluate.every``, and the last."""
    every, steps = recipe.evaluate.every, recipe.run.steps
    return [] if every is None else [*range(every, steps, every), steps]


def _read(path: Path) -> StepEvaluation:
    hint = "delete it: the step is evaluated again, from the images that there are"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error}", hint=hint) from error
    return read_json(StepEvaluation, data, str(path), error=TrainingError, hint=hint)
