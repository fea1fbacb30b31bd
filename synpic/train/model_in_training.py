"""The model of a run: denoiser, reference and optimizer, and the checkpoints they go on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from synpic.errors import TrainingError
from synpic.train.data.training_data import DTYPES, TrainingData
from synpic.train.families.family import TrainableFamily
from synpic.train.objective import Objective
from synpic.train.optimizers import open_optimizer
from synpic.train.processes import agreed_checkpoint
from synpic.train.resume_inputs import resume_inputs_of
from synpic.train.settings import TrainRecipe
from synpic.train.state import checkpoint_at, load_state, save_state
from synpic.train.trainable_checkpoint import (
    Reference,
    TrainableCheckpoint,
    prepare_tuning,
    trained,
)
from synpic.workspace.root import Root

__all__ = ["ModelInTraining", "TrainingInputs"]


@dataclass(frozen=True)
class TrainingInputs:
    """What a run is made of, opened.

    Args:
        out: folder of the run.
        root: of ``out``, as it was at first.
    """

    recipe: TrainRecipe
    objective: Objective
    checkpoint: TrainableCheckpoint
    family: TrainableFamily
    data: TrainingData
    accelerator: Accelerator
    out: Path
    root: Root


class ModelInTraining:
    """The model as the newest checkpoint of the run has it; at first, as the recipe names it.

    Raises:
        TrainingError: the checkpoint is damaged, of other settings, beyond ``run.steps``, or not
            the same for all processes.
    """

    def __init__(self, inputs: TrainingInputs) -> None:
        self._inputs = inputs
        recipe, accelerator = inputs.recipe, inputs.accelerator
        self.denoiser, self.reference = _open(inputs)
        self.weights = trained(self.denoiser)
        """Those that are trained, by name."""
        self.prepared, self.optimizer = accelerator.prepare(
            self.denoiser, open_optimizer(recipe.optimizer, self.weights.values())
        )
        """The denoiser as accelerate wraps it for several processes."""
        self._resume_inputs = resume_inputs_of(
            recipe, inputs.checkpoint, inputs.family, inputs.data, accelerator
        )
        self.kept = agreed_checkpoint(inputs.out, accelerator)
        """The newest checkpoint, if there is one."""
        self.done = 0 if self.kept is None else self._load(self.kept)
        """Steps that the newest checkpoint holds."""

    def keep(self, step: int) -> None:
        """Have the main process write a checkpoint after ``step`` steps; all wait for it.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        accelerator, folder = self._inputs.accelerator, self._inputs.out / "checkpoints"
        if accelerator.is_main_process:
            save_state(
                folder,
                step,
                self.weights,
                self.optimizer,
                accelerator.scaler,
                self._resume_inputs,
                self._inputs.recipe.run.keep,
            )
        accelerator.wait_for_everyone()
        self.kept, self.done = checkpoint_at(folder, step), step

    def _load(self, checkpoint: Path) -> int:
        scaler, steps = self._inputs.accelerator.scaler, self._inputs.recipe.run.steps
        done = load_state(checkpoint, self.weights, self.optimizer, scaler, self._resume_inputs)
        if done > steps:
            raise TrainingError(
                f"{checkpoint} is beyond run.steps = {steps}",
                hint="raise run.steps, or name another --out",
            )
        return done


def _open(inputs: TrainingInputs) -> tuple[Any, Reference | None]:
    """The denoiser, ready to be trained, and what it is compared with, if anything."""
    recipe, device = inputs.recipe, inputs.accelerator.device
    torch.manual_seed(recipe.seed)  # adapters begin at random, and everywhere alike
    dtype = DTYPES[recipe.run.precision]
    full = recipe.tuning.method == "full"
    denoiser = inputs.checkpoint.denoiser(inputs.family, torch.float32 if full else dtype)
    reference = None
    if inputs.objective.needs_reference:
        reference = Reference(denoiser, recipe.tuning.method, dtype)
    prepare_tuning(denoiser, inputs.family, recipe.tuning)
    if recipe.run.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    denoiser.to(device).train()
    if reference is not None:
        reference.to(device)
    return denoiser, reference
