"""Training: rankings in, a fine-tuned model out.

    synpic train train.toml
    accelerate launch --num_processes 8 -m synpic_cli train train.toml

What is opened here, :class:`.training_steps.TrainingSteps` trains.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.engine.bars import progress_bars
from synpic.engine.progress import Listener
from synpic.errors import TrainingError
from synpic.release.cards.training import FACTS
from synpic.train.adapters import check_targets
from synpic.train.data.training_data import open_data
from synpic.train.evaluations import OnCheckpoint
from synpic.train.losses import try_objective
from synpic.train.model_in_training import ModelInTraining, TrainingInputs
from synpic.train.objective import find_objective
from synpic.train.optimizers import check_optimizer
from synpic.train.processes import held, open_accelerator
from synpic.train.result import damage_of, read_result
from synpic.train.settings import TrainRecipe
from synpic.train.state import unread
from synpic.train.track import check_trackers
from synpic.train.trainable_checkpoint import find_checkpoint
from synpic.train.training_steps import TrainingSteps
from synpic.workspace.root import Root

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a run made.

    Args:
        folder: adapters or a pipeline, with card and ``training.json``.
        about: what that file holds.
        checkpoint: of the model that was trained, as it is found from here; ``about`` names no
            folder of this machine.
    """

    folder: Path
    about: Mapping[str, Any]
    checkpoint: str | None = None


def train(
    recipe: TrainRecipe,
    out: str | Path,
    *,
    cache: Path | None = None,
    progress: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    token: str | None = None,
    on_checkpoint: OnCheckpoint | None = None,
) -> Trained:
    """Fine-tune ``recipe.model`` on ``recipe.data``; called again, goes on where it was left.

    Args:
        out: gets ``log.jsonl``, ``checkpoints/``, ``samples/``, ``evaluations/`` and, at the end,
            ``model/``.
        cache: where latents and embeddings are kept; the user's cache folder if None.
        progress: draw bars, as widgets in a notebook, elsewhere on stderr.
        listener: receives progress.
        stop: when set, the current step is finished and kept.
        token: of an account that may read the dataset.
        on_checkpoint: evaluates the model on the way, as ``recipe.evaluate`` says, in the main
            process.

    Raises:
        TrainingError: the data, the model or the settings do not fit, or another run is at work in
            ``out``.
        TrainingDiverged: the run went wrong.
        StorageError: the disk is full, or refuses; or ``out`` was moved or unmounted.
        Stopped: ``stop`` was set.
        SynpicError: as opening a dataset and a checkpoint do.
    """
    out = Path(out)
    # What can be known to fail is known before hours are spent on encoding.
    check_trackers(recipe.run.track)
    check_optimizer(recipe.optimizer)
    objective = find_objective(recipe.objective.name)
    try_objective(objective, recipe.objective.beta)
    accelerator = open_accelerator(recipe, out)
    if recipe.evaluate.every and on_checkpoint is None and accelerator.is_main_process:
        raise TrainingError(
            "evaluate.every: nothing was handed in that evaluates",
            hint="on_checkpoint=CheckpointEvaluation(recipe, out), of "
            "synpic.evaluate.at_checkpoints, does; or leave [evaluate] out",
        )
    checkpoint = find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    check_targets(checkpoint.skeleton(family), recipe.tuning)
    first = accelerator.is_main_process
    with progress_bars(progress and first, listener if first else None) as shown:
        data = open_data(recipe, checkpoint, family, accelerator, cache, shown, stop, token)
        with held(out, accelerator):
            root = Root(str(out.absolute()))
            inputs = TrainingInputs(
                recipe, objective, checkpoint, family, data, accelerator, out, root
            )
            about = _run(inputs, shown, stop, on_checkpoint if first else None)
    return Trained(out / "model", about, str(checkpoint.settings.checkpoint))


def _run(
    inputs: TrainingInputs,
    listener: Listener | None,
    stop: threading.Event | None,
    on_checkpoint: OnCheckpoint | None,
) -> Mapping[str, Any]:
    """Take the steps that are left, if any; gives what ``training.json`` holds."""
    model = ModelInTraining(inputs)
    finished, damage = _finished(inputs, model.done)
    if finished is not None:
        return finished
    steps = TrainingSteps(inputs, model, listener, stop, on_checkpoint)
    return steps.take(_notes_at_the_start(inputs.out, model.done, damage))


def _finished(inputs: TrainingInputs, done: int) -> tuple[Mapping[str, Any] | None, str | None]:
    """What ``training.json`` of a run holds that has taken all its steps and left a whole model.

    Returns:
        That, or None; and what is wrong with the model, where it has to be made again.
    """
    folder = inputs.out / "model"
    if done < inputs.recipe.run.steps or not (folder / FACTS).exists():
        return None, None
    result = read_result(folder)
    if result["steps"] != done:
        return None, None
    damage = damage_of(folder, result)
    inputs.accelerator.wait_for_everyone()  # before the first of them makes it again
    # A whole one is left alone: what somebody wrote into its card stays.
    return (result if damage is None else None), damage


def _notes_at_the_start(out: Path, done: int, damage: str | None) -> str | None:
    notes = [f"going on from step {done}"] if done else []
    notes += [f"{damage}: the model is made again"] if damage else []
    others = ", ".join(unread(out / "checkpoints"))
    notes += [f"no checkpoints, and not read: {others} in checkpoints/"] if others else []
    return "; ".join(notes) or None
