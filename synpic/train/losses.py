"""The losses that an objective gives, which may be anyone's code: checked, and tried beforehand."""

from __future__ import annotations

import torch
from torch import Tensor

from synpic.errors import TrainingError
from synpic.registry.own_code import naming_own_errors
from synpic.train.batch import Labels
from synpic.train.objective import Objective

__all__ = ["losses_of", "try_objective"]

_HINT = "correct its function (docs/training-objectives.md)"


def losses_of(
    objective: Objective, s: Tensor, error: Tensor, labels: Labels, beta: float
) -> Tensor:
    """The loss of each prompt, ``Float[Tensor, "prompts"]``.

    Args:
        s, error, labels, beta: as :mod:`synpic.train.objectives` describes them.

    Raises:
        TrainingError: the objective fails, or gives something else.
    """
    what = f"objective {objective.title}"
    with naming_own_errors(what, TrainingError, _HINT, passed_on=torch.OutOfMemoryError):
        found = objective.function(s, error, labels, beta)
    expected = f"a float for each of {len(error)} prompts"
    if not isinstance(found, Tensor):
        _refuse(objective, f"gives a {type(found).__name__}, not {expected}")
    elif found.shape != error.shape[:1] or not found.is_floating_point():
        _refuse(objective, f"gives a {found.dtype} of shape {tuple(found.shape)}, not {expected}")
    return found


def try_objective(objective: Objective, beta: float) -> None:
    """Have an objective compute two prompts, of three images and of two.

    Raises:
        TrainingError: it fails, its loss is no number, or no gradient comes of it.
    """
    labels = Labels(
        preference=torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0]]),
        rank=torch.tensor([[1, 2, 3], [2, 1, 3]]),
        present=torch.tensor([[True, True, True], [True, True, False]]),
    )
    error = torch.tensor([[0.3, 0.2, 0.4], [0.5, 0.6, 0.0]], requires_grad=True)
    s = error - 0.25 if objective.needs_reference else error
    losses = losses_of(objective, s, error, labels, beta)
    if not bool(losses.isfinite().all()):
        _refuse(objective, f"gives {losses.tolist()} for two prompts of a trial")
    if not losses.requires_grad:
        _refuse(objective, "gives losses without a gradient, so nothing would be learnt")


def _refuse(objective: Objective, what: str) -> None:
    raise TrainingError(
        f"objective {objective.title} {what}",
        hint=_HINT,
    )
