"""A run that has gone wrong ends, and what was good is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synpic.errors import TrainingDiverged
from synpic.train import training_steps
from synpic.train.guard import Guard
from synpic.train.metrics import Metrics
from synpic.train.objective import find_objective
from synpic.train.settings import TrainRecipe
from synpic.train.training_loop import train
from tests.train.conftest import Wanted
from tests.train.runs import FULL, rows

Loss = tuple[torch.Tensor, Metrics]


def metrics(error: float, reference: float | None = None, loss: float = 0.5) -> Metrics:
    known = [0.0, 0.0] if reference is None else [reference, 1.0]
    return Metrics(torch.tensor([loss, 1.0, error, 1.0, *known, 0.0, 0.0, 0.0, 0.0]))


def guarded(recipe: TrainRecipe, processes: int = 1) -> Guard:
    return Guard(recipe, find_objective(recipe.objective.name), processes)


def spoil(monkeypatch: pytest.MonkeyPatch, step: int, how: Callable[[Loss], Loss]) -> None:
    """From ``step`` on, ``how`` is done to what comes of a batch."""
    plain, calls = training_steps.loss_of_batch, [0]

    def spoilt(*arguments: Any) -> Loss:
        calls[0] += 1
        found = plain(*arguments)
        return how(found) if calls[0] >= step else found

    monkeypatch.setattr(training_steps, "loss_of_batch", spoilt)


def no_number(found: Loss) -> Loss:
    nan = torch.tensor(float("nan"))
    return found[0] * nan, Metrics(found[1].sums * nan)


def no_slope(found: Loss) -> Loss:
    """The loss is a number; its gradient is none (that of a root at 0)."""
    return found[0] + (found[0] - found[0]).sqrt(), found[1]


@pytest.mark.parametrize(
    ("how", "said"), [(no_number, "the loss is nan"), (no_slope, "the gradient's norm is nan")]
)
def test_a_step_that_is_no_number_is_not_taken(
    how: Callable[[Loss], Loss],
    said: str,
    wanted: Wanted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(monkeypatch, 4, how)
    with pytest.raises(TrainingDiverged, match=f"step 4: {said}") as caught:
        train(wanted("sd", "run.steps=6", "run.save_every=2"), tmp_path)
    kept = tmp_path / "checkpoints" / "step-00000002"
    assert f"the last checkpoint is {kept}" in caught.value.message
    assert "optimizer.learning_rate (now 0.001)" in str(caught.value.hint)
    assert "objective.beta (now 100)" in str(caught.value.hint)
    assert list((tmp_path / "checkpoints").iterdir()) == [kept]
    assert len(rows(tmp_path)) == 3
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("objective", ["rankdpo", "sft"])
def test_a_model_that_blows_up_is_stopped_at_once(
    objective: str, wanted: Wanted, tmp_path: Path
) -> None:
    changes = [
        f"objective.name={objective}",
        "objective.beta=",
        "optimizer.learning_rate=10",
        "run.steps=30",
    ]
    with pytest.raises(
        TrainingDiverged, match=r"step [2-5]: .*(times what it was|is (nan|inf))"
    ) as at:
        train(wanted("sd3_without_t5", FULL, *changes), tmp_path)
    assert "no checkpoint was due" in at.value.message
    assert ("objective.beta" in str(at.value.hint)) is (objective == "rankdpo")
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "checkpoints").exists()


def test_float16_may_overflow_while_its_scale_is_sought_but_not_for_ever(wanted: Wanted) -> None:
    guard = guarded(wanted("sd", "run.precision=fp16"))
    for step in range(49):
        guard.look(step, metrics(1.0, 1.0), float("inf"))
    guard.look(49, metrics(1.0, 1.0), 1.0)
    for step in range(50, 99):
        guard.look(step, metrics(1.0, 1.0), float("nan"))
    with pytest.raises(TrainingDiverged, match="50 times in a row") as caught:
        guard.look(99, metrics(1.0, 1.0), float("inf"))
    assert "bf16" in str(caught.value.hint)


def test_hard_batches_are_no_catastrophe(wanted: Wanted) -> None:
    """Errors differ a hundredfold between times; a reference is asked at the same ones."""
    guard = guarded(wanted("sd"))
    for step in range(100):
        hard = 0.01 if step % 2 else 1.0
        guard.look(step, metrics(1.5 * hard, hard), 1.0)
    without = guarded(wanted("sd", "objective.name=sft", "objective.beta="))
    for step in range(100):
        without.look(step, metrics(0.01 if step % 2 else 1.0), 1.0)


def test_a_model_that_gets_worse_slowly_is_found_without_a_reference(wanted: Wanted) -> None:
    guard = guarded(
        wanted("sd", "objective.name=sft", "objective.beta=", "run.batch_size=2"), processes=4
    )
    for step in range(20):
        guard.look(step, metrics(0.1), 1.0)
    with pytest.raises(TrainingDiverged, match=r"error is 4\.\d times"):
        for step in range(20, 200):
            guard.look(step, metrics(0.1 * 1.03 ** (step - 20)), 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_prompt_at_a_time_is_no_catastrophe_without_a_reference(
    seed: int, wanted: Wanted
) -> None:
    """Errors as they are at uniform times: mostly small, and large now and then."""
    chance = random.Random(seed)
    guard = guarded(wanted("sd", "objective.name=sft", "objective.beta=", "run.batch_size=1"))
    for step in range(1000):
        guard.look(step, metrics(0.005 + chance.random() ** 8), 1.0)
