"""What decides the curve of a run: it goes on only where all of that is unchanged."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from synpic.registry import OBJECTIVES
from synpic.train.data.training_data import TrainingData
from synpic.train.families.family import TrainableFamily
from synpic.train.objective import find_objective
from synpic.train.settings import TrainRecipe
from synpic.train.trainable_checkpoint import TrainableCheckpoint

__all__ = ["resume_inputs_of"]


def resume_inputs_of(
    recipe: TrainRecipe,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    data: TrainingData,
    accelerator: Accelerator,
) -> dict[str, Any]:
    """What decides the curve: the recipe, and what its names stand for today.

    Prompts may be divided otherwise among processes: the steps are the same. Names do not count,
    nor paths however they are spelt: what they stand for is known by a commit or a hash.
    """
    settings, dataset = recipe.resume_inputs, dict(data.about)
    for table, name in (("model", "checkpoint"), ("data", "dataset")):
        settings[table] = {
            key: value for key, value in settings[table].items() if key not in (name, "revision")
        }
    if dataset["content"] is not None:
        del dataset["name"]
    name = recipe.objective.name
    # Of what is not synpic's, what tells one version of its code from the next.
    code = OBJECTIVES.provenance(name, find_objective(name).function)
    return {
        **settings,
        **({"objective's code": code} if code else {}),
        **({"family's code": dict(family.code)} if family.code else {}),
        "batch_size x processes": recipe.run.batch_size * accelerator.num_processes,
        "checkpoint": dict(checkpoint.identity),
        "dataset": dataset,
    }
