"""Stopping a run that has gone wrong, before it spends the night."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

from synpic.errors import TrainingDiverged
from synpic.train.metrics import Metrics
from synpic.train.objective import Objective
from synpic.train.settings import TrainRecipe

__all__ = ["Guard"]

_STEPS, _PROMPTS = 20, 160
"""How many steps, and how many prompts, are looked at together. Errors differ a
hundredfold between times, so that the mean of a few prompts is four times another now and then."""
_WORSE = 4.0
"""Times the reference's error (or, without one, the error at first) at which a model is lost."""
_NOTHING = 2.0
"""About what a model errs that predicts nothing: noise and latents have a variance of one each. No
model of use was worse at first, also if it has blown up before there is a first window."""
_SKIPPED = 50
"""Steps in a row that half precision may overflow while its scale is sought."""


class Guard:
    """Looks at every step; says when it is over, and what to lower.

    Args:
        recipe: of the run.
        objective: that it minimises.
        processes: that take a step together.
    """

    def __init__(self, recipe: TrainRecipe, objective: Objective, processes: int = 1) -> None:
        self._objective = objective
        self._recipe = recipe
        prompts = recipe.run.batch_size * recipe.run.accumulation * processes
        self._window = max(_STEPS, math.ceil(_PROMPTS / prompts))
        self._errors: deque[float] = deque(maxlen=self._window)
        self._references: deque[float] = deque(maxlen=self._window)
        self._first: float | None = None
        self._skipped = 0

    def look(self, step: int, metrics: Metrics, norm: float, kept: Path | None = None) -> None:
        """Judge a step from its metrics and the norm of its gradient.

        Args:
            kept: the last checkpoint, for the message.

        Raises:
            TrainingDiverged: the loss is no number, or the model has come to be far worse than the
                reference at what it was trained for.
        """
        if not math.isfinite(metrics.loss):
            self._stop(step, kept, f"the loss is {metrics.loss}")
        if math.isfinite(norm):
            self._skipped = 0
        elif self._recipe.run.precision != "fp16":
            self._stop(step, kept, f"the gradient's norm is {norm}")
        else:
            self._skipped += 1
            if self._skipped == _SKIPPED:
                self._stop(step, kept, f"the gradient overflowed float16 {_SKIPPED} times in a row")
        self._errors.append(metrics.error)
        error = sum(self._errors) / len(self._errors)
        if metrics.reference_error is not None:
            # Of the same images and noise as the errors: a few steps are enough to compare.
            self._references.append(metrics.reference_error)
            known = sum(self._references) / len(self._references)
        else:
            if self._first is None and len(self._errors) == self._window:
                self._first = min(error, _NOTHING)
            known = _NOTHING if self._first is None else self._first
        if error > _WORSE * known:
            self._stop(step, kept, f"the model's error is {error / known:.1f} times what it was")

    def _stop(self, step: int, kept: Path | None, what: str) -> None:
        optimizer = self._recipe.optimizer
        lower = [f"optimizer.learning_rate (now {optimizer.learning_rate:g})"]
        if self._objective.uses_beta:
            lower.append(f"objective.beta (now {self._recipe.objective.beta:g})")
        if self._recipe.run.precision == "fp16":
            lower.append('or train with run.precision = "bf16"')
        # Nobody knows when it began: the last checkpoint may be of a model that is lost already.
        last = f"the last checkpoint is {kept}" if kept else "no checkpoint was due"
        raise TrainingDiverged(
            f"step {step + 1}: {what}; {last}", hint=f"lower {', '.join(lower)}; then a new --out"
        )
