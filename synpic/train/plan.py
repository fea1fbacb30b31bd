"""What a run would do and cost, computed before it: no weight is opened, and no image read."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synpic.errors import TrainingError
from synpic.train.data.crops import parse_size
from synpic.train.data.encode import lacking, sizing
from synpic.train.data.examples import prompt_key
from synpic.train.data.image_index import ImageIndex
from synpic.train.data.pair_tensors import latent_numbers
from synpic.train.data.training_data import DTYPES, caches_of, labelled, sample_prompts
from synpic.train.families.family import TrainableFamily
from synpic.train.losses import try_objective
from synpic.train.objective import find_objective
from synpic.train.optimizers import check_optimizer
from synpic.train.settings import TrainRecipe
from synpic.train.state import latest, step_of
from synpic.train.track import check_trackers
from synpic.train.trainable_checkpoint import (
    TrainableCheckpoint,
    find_checkpoint,
    prepare_tuning,
    trained,
)

__all__ = ["Plan", "plan"]

_STATE_BYTES = {"adamw": 8, "adamw-8bit": 2, "adafactor": 0}
"""Of an optimizer, for each number that is trained; Adafactor's is of rows and columns."""


@dataclass(frozen=True)
class PlannedData:
    """What is learnt from.

    Args:
        dataset, commit, config, split, version: what is read; the name and commit as resolved.
        prompts, images: that are learnt from.
        without_preference: prompts left out, because no image of theirs is preferred.
        repeated: prompts seen more often than others: of their size there are fewer than a batch.
    """

    dataset: str
    commit: str | None
    config: str | None
    split: str
    version: str | None
    prompts: int
    images: int
    without_preference: int
    repeated: int


@dataclass(frozen=True)
class PlannedModel:
    """What learns.

    Args:
        checkpoint, model_commit, pipeline: of the model.
        parameters, trained: numbers in the denoiser; those that are trained, or of adapters.
    """

    checkpoint: str
    model_commit: str | None
    pipeline: str
    parameters: int
    trained: int


@dataclass(frozen=True)
class PlannedSteps:
    """Steps of the optimizer.

    Args:
        goes_on_from: the step of the last checkpoint; 0 without.
        epochs: how often each prompt is seen.
    """

    goes_on_from: int
    steps: int
    prompts_per_step: int
    epochs: float


@dataclass(frozen=True)
class PlannedCosts:
    """What the run takes of disk and memory.

    Args:
        to_encode: images and prompts that the caches lack, those that are drawn on the way too.
        cache: folder of the caches.
        cache_bytes: what those would add to it, about.
        memory_bytes: of one device: weights, reference, gradients and the optimizer's state.
            Activations come on top.
    """

    to_encode: dict[str, int]
    cache: str
    cache_bytes: int
    memory_bytes: dict[str, int]


@dataclass(frozen=True)
class Plan:
    """What a run comes to.

    Args:
        out: where it goes; None where it is not given.
        size: width and height, if one of all images; None where it is not known yet.
    """

    out: str | None
    data: PlannedData
    model: PlannedModel
    steps: PlannedSteps
    costs: PlannedCosts
    size: tuple[int, int] | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-like data, all numbers in one object."""
        parts = (self.data, self.model, self.steps, self.costs)
        flat = {name: value for part in parts for name, value in asdict(part).items()}
        return {"out": self.out, "size": self.size, **flat}


def plan(
    recipe: TrainRecipe,
    out: str | Path | None = None,
    *,
    cache: Path | None = None,
    processes: int | None = None,
    token: str | None = None,
) -> Plan:
    """Look at what ``recipe`` names and count.

    Of a release on the Hub only columns without pixels are read. Any other dataset there is
    downloaded, as training would.

    Args:
        out: of the run.
        cache: folder of latents and embeddings; the user's if None.
        processes: that take a step together; those that a launcher started if None.
        token: of an account that may read the dataset.

    Raises:
        SynpicError: as training would before it opens a weight or an image.
    """
    data, run = recipe.data, recipe.run
    check_trackers(run.track)
    check_optimizer(recipe.optimizer)
    objective = find_objective(recipe.objective.name)
    try_objective(objective, recipe.objective.beta)
    done = _done(recipe, out)
    checkpoint = find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    parameters, learnt = _parameters(recipe, checkpoint, family)
    fixed = None if data.size is None else parse_size(data.size, family.multiple)
    if fixed is not None:
        family.check_size(fixed)
    records, tied = labelled(recipe, token)
    caches = caches_of(recipe, checkpoint, family, cache)
    index = ImageIndex(caches.folder, records.source.fingerprint_inputs)
    found = lacking(records, index, sizing(data.size, family.multiple), caches, data.flip)
    for size in found.sizes:
        family.check_size(size)
    if fixed is None and len(found.sizes) == 1 and found.sizes.total() == records.table.height:
        (fixed,) = found.sizes
    against = checkpoint.settings.negative_prompt or ""
    texts = ["", against, *sample_prompts(recipe, records), *records.table["prompt"]]
    to_encode = {
        "images": found.images,
        "prompts": len(caches.prompts.missing(map(prompt_key, texts))),
    }
    prompt_bytes = family.prompt_numbers(checkpoint.index()) * caches.embeddings_dtype.itemsize
    image_bytes = latent_numbers(checkpoint, family, fixed) * caches.latents_dtype.itemsize
    together = run.batch_size * (processes or int(os.environ.get("WORLD_SIZE", "1")))
    source, prompts = records.source, records.table.height
    return Plan(
        out=None if out is None else str(out),
        data=PlannedData(
            dataset=source.name,
            commit=source.commit,
            config=source.config,
            split=source.split,
            version=source.version,
            prompts=prompts,
            images=int(records.table["images"].list.len().sum()),
            without_preference=tied,
            repeated=sum(number for number in found.sizes.values() if number < together),
        ),
        model=PlannedModel(
            checkpoint=str(checkpoint.settings.checkpoint),
            model_commit=checkpoint.commit,
            pipeline=str(checkpoint.index()["_class_name"]),
            parameters=parameters,
            trained=learnt,
        ),
        steps=PlannedSteps(
            goes_on_from=done,
            steps=run.steps,
            prompts_per_step=together * run.accumulation,
            epochs=run.steps * together * run.accumulation / prompts,
        ),
        costs=PlannedCosts(
            to_encode=to_encode,
            cache=str(caches.folder),
            cache_bytes=to_encode["prompts"] * prompt_bytes
            + to_encode["images"] * image_bytes * (2 if data.flip else 1),
            memory_bytes=_memory(recipe, objective.needs_reference, parameters, learnt),
        ),
        size=None if fixed is None else (fixed[1], fixed[0]),
    )


def _done(recipe: TrainRecipe, out: str | Path | None) -> int:
    """The step that a run in ``out`` would go on from."""
    found = None if out is None else latest(Path(out) / "checkpoints")
    done = step_of(found) if found else 0
    if done > recipe.run.steps:
        raise TrainingError(
            f"{found} is beyond run.steps = {recipe.run.steps}",
            hint="raise run.steps, or name another --out",
        )
    return done


def _parameters(
    recipe: TrainRecipe, checkpoint: TrainableCheckpoint, family: TrainableFamily
) -> tuple[int, int]:
    """Numbers in the denoiser, and those that are trained; counted without any weight."""
    denoiser = checkpoint.skeleton(family)
    whole = sum(parameter.numel() for parameter in denoiser.parameters())
    prepare_tuning(denoiser, family, recipe.tuning)
    return whole, sum(parameter.numel() for parameter in trained(denoiser).values())


def _memory(
    recipe: TrainRecipe, needs_reference: bool, parameters: int, learnt: int
) -> dict[str, int]:
    """Bytes on one device, by what they are of."""
    itemsize = DTYPES[recipe.run.precision].itemsize
    full = recipe.tuning.method == "full"
    copied = full and needs_reference
    found = {
        "weights": parameters * (4 if full else itemsize) + (0 if full else learnt * 4),
        "reference": parameters * itemsize if copied else 0,
        "gradients": learnt * 4,
        "optimizer": learnt * _STATE_BYTES[recipe.optimizer.name],
    }
    return {name: number for name, number in found.items() if number}
