"""From the name of a dataset to batches: read, labelled, encoded and put in order."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from synpic.engine.device import free_memory
from synpic.engine.progress import Listener
from synpic.errors import TrainingError
from synpic.train.data.cache import Caches, default_folder, open_caches
from synpic.train.data.crops import parse_size
from synpic.train.data.encode import encode_all
from synpic.train.data.examples import prompt_key
from synpic.train.data.labels import relabel, untied
from synpic.train.data.order import BatchOrder, BatchSource, stack
from synpic.train.data.records import TrainingRecords, read_records
from synpic.train.families.family import Encoded, TrainableFamily
from synpic.train.settings import TrainRecipe
from synpic.train.trainable_checkpoint import TrainableCheckpoint

__all__ = ["DTYPES", "TrainingData", "labelled", "open_data"]

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""``run.precision`` → what the model computes in, and embeddings are kept in."""


@dataclass(frozen=True)
class TrainingData:
    """What the loop takes from a dataset.

    Args:
        batches: of this process, by number.
        about: what was read, for people and machines.
        prompts: of the records.
        sample_prompts: what is drawn on the way.
        samples, empty: these prompts, encoded, and what guidance sets off from:
            as many empty or negative ones.
        sample_size: width and height of these pictures.
    """

    batches: BatchSource
    about: Mapping[str, Any]
    prompts: Sequence[str]
    sample_prompts: Sequence[str]
    samples: Encoded
    empty: Encoded
    sample_size: tuple[int, int]


def open_data(
    recipe: TrainRecipe,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    accelerator: Accelerator,
    folder: Path | None,
    listener: Listener | None,
    stop: threading.Event | None,
    token: str | None,
) -> TrainingData:
    """Read and encode ``recipe.data``; one process of a machine encodes, and the others wait.

    Args:
        folder: of the caches; the user's if None.

    Raises:
        TrainingError: there is nothing to learn from, or something cannot be read or encoded.
        Stopped: ``stop`` was set.
    """
    settings, run = recipe.data, recipe.run
    if settings.size is not None:
        family.check_size(parse_size(settings.size, family.multiple))
    with accelerator.local_main_process_first():
        # Only the first to come encodes; whoever comes later finds everything.
        records, tied = labelled(recipe, token)
        drawn = sample_prompts(recipe, records)
        against = checkpoint.settings.negative_prompt or ""
        caches = caches_of(recipe, checkpoint, family, folder)
        examples = encode_all(
            records,
            family,
            caches,
            lambda: checkpoint.encoders(family, accelerator.device),
            size=settings.size,
            flip=settings.flip,
            texts=[*drawn, against],
            verify=accelerator.is_local_main_process,
            listener=listener,
            stop=stop,
        )
        free_memory()
    for size in set(examples.sizes):
        family.check_size(size)
    batches = BatchSource(
        examples=examples,
        caches=caches,
        family=family,
        order=BatchOrder(examples.sizes, run.batch_size * accelerator.num_processes, recipe.seed),
        seed=recipe.seed,
        batch_size=run.batch_size,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        share_noise=recipe.noise.share,
        caption_dropout=settings.caption_dropout,
        flip=settings.flip,
    )
    height, width = examples.sizes[0]
    rows = [caches.prompts.get(prompt_key(text)) for text in drawn]
    blank = [caches.prompts.get(prompt_key(against))] * len(drawn)
    source = records.source
    about = {
        "name": source.name,
        "commit": source.commit,
        "config": source.config,
        "split": source.split,
        "version": source.version,
        "content": source.content,
        **({} if source.rewards is None else {"rewards": dict(source.rewards)}),
        **({"judges": dict(source.judges)} if source.judges else {}),
        "prompts": len(examples),
        "images": examples.images,
        "without_preference": tied,
        "same_picture": examples.same_picture,
    }
    return TrainingData(
        batches=batches,
        about=about,
        prompts=records.table["prompt"].to_list(),
        sample_prompts=drawn,
        samples=stack(rows) if rows else {},
        empty=stack(blank) if rows else {},
        sample_size=(width, height),
    )


def labelled(recipe: TrainRecipe, token: str | None) -> tuple[TrainingRecords, int]:
    """The records of ``recipe.data`` that prefer something, and how many prefer nothing.

    Raises:
        TrainingError: none does.
    """
    records = read_records(recipe.data, token=token)
    table = relabel(records.table, recipe.data.labels, recipe.seed)
    kept = untied(table)
    if kept.is_empty():
        raise TrainingError(
            f"{records.source.name}: none of {table.height} prompts prefers one image to another",
            hint="there is nothing to learn; `synpic rank` shows how its rewards rank",
        )
    return records.with_table(kept), table.height - kept.height


def sample_prompts(recipe: TrainRecipe, records: TrainingRecords) -> list[str]:
    """The prompts that are drawn on the way."""
    if recipe.samples.every is None:
        return []
    given = recipe.samples.prompts
    return (
        given
        or records.table["prompt"].unique(maintain_order=True)[: recipe.samples.count].to_list()
    )


def caches_of(
    recipe: TrainRecipe,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    folder: Path | None,
) -> Caches:
    """The caches of the recipe's model; half of float32's bytes are enough for mixed precision."""
    half = recipe.run.precision != "no"
    return open_caches(
        folder or default_folder(),
        family,
        checkpoint.identity,
        latents_dtype=torch.float16 if half else torch.float32,
        embeddings_dtype=DTYPES[recipe.run.precision],
    )
