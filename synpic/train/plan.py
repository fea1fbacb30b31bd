"""What a run would do and cost, told before it: no weight is opened, no image of a release read."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch

from synpic import ids
from synpic.errors import ReleaseError
from synpic.published.source import Published, open_release, parse_name
from synpic.train.cache import Caches
from synpic.train.data import DTYPES, caches_of
from synpic.train.examples import latents_key, mirrored, prompt_key
from synpic.train.facts import Facts
from synpic.train.families.family import Family
from synpic.train.framing import Size, common_size, parse_size
from synpic.train.labels import relabel, untied
from synpic.train.layouts import find_layout
from synpic.train.model import Checkpoint, find_checkpoint, prepare_tuning, trained
from synpic.train.records import Source, read_records
from synpic.train.settings import DataSettings, TrainRecipe

__all__ = ["Plan", "plan"]

_ADAM_BYTES = {"adamw": 8.0, "adamw-8bit": 2.0, "adafactor": 0.0}
"""Of an optimizer's state, for each number that is trained; Adafactor's is of rows and columns."""

_CLIP_TOKENS = 77


@dataclass(frozen=True)
class Plan:
    """What a run comes to.

    Args:
        dataset, commit, config, split, version: what is read; the name and commit as resolved.
        prompts, images: that are learnt from.
        without_preference: prompts left out, because no image of theirs is preferred.
        checkpoint, model_commit, pipeline: of the model.
        parameters, trained: numbers in the denoiser, and how many of them, or of its adapters, are
            trained.
        steps, prompts_per_step: of the optimizer.
        epochs: how often each prompt is seen.
        size: width and height of the images, if it is one for all of them; None where it is not
            known before they are read.
        to_encode: images and prompts that the caches lack.
        cache: folder of the caches.
        cache_bytes: what those would add to it, about.
        memory_bytes: of one device: weights, reference, gradients and the optimizer's state.
            Activations come on top.
    """

    dataset: str
    commit: str | None
    config: str | None
    split: str
    version: str | None
    prompts: int
    images: int
    without_preference: int
    checkpoint: str
    model_commit: str | None
    pipeline: str
    parameters: int
    trained: int
    steps: int
    prompts_per_step: int
    epochs: float
    size: tuple[int, int] | None
    to_encode: dict[str, int]
    cache: str
    cache_bytes: int
    memory_bytes: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """JSON-like data."""
        return asdict(self)


def plan(
    recipe: TrainRecipe,
    *,
    cache: Path | None = None,
    processes: int | None = None,
    token: str | None = None,
) -> Plan:
    """Look at what ``recipe`` names and count.

    Of a release on the Hub only columns without pixels are read. Any other dataset there is
    downloaded, as training would.

    Args:
        cache: folder of latents and embeddings; the user's if None.
        processes: that take a step together; those of ``accelerate launch`` if None.
        token: of an account that may read the dataset.

    Raises:
        SynpicError: as training would before its first step.
    """
    checkpoint = find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    read, source = _read(recipe.data, token)
    table = untied(relabel(read, recipe.data.labels, recipe.seed))
    caches = caches_of(recipe, checkpoint, family, cache)
    size, lacking = _lacking(recipe, table, source, caches, family)
    parameters, learnt = _parameters(recipe, checkpoint, family)
    run = recipe.run
    processes = processes or int(os.environ.get("WORLD_SIZE", "1"))
    at_once = run.batch_size * run.accumulation * processes
    height, width = size or _own_size(checkpoint, family)
    prompt_bytes = _prompt_numbers(checkpoint, family) * caches.embeddings_dtype.itemsize
    image_bytes = _latent_numbers(checkpoint, height, width) * caches.latents_dtype.itemsize
    return Plan(
        dataset=source.name,
        commit=source.commit,
        config=source.config,
        split=source.split,
        version=source.version,
        prompts=table.height,
        images=int(table["images"].list.len().sum()),
        without_preference=read.height - table.height,
        checkpoint=str(checkpoint.settings.checkpoint),
        model_commit=checkpoint.commit,
        pipeline=str(checkpoint.index["_class_name"]),
        parameters=parameters,
        trained=learnt,
        steps=run.steps,
        prompts_per_step=at_once,
        epochs=run.steps * at_once / max(1, table.height),
        size=None if size is None else (width, height),
        to_encode=lacking,
        cache=str(caches.folder),
        cache_bytes=lacking["prompts"] * prompt_bytes
        + lacking["images"] * image_bytes * (2 if recipe.data.flip else 1),
        memory_bytes=_memory(recipe, parameters, learnt),
    )


def _read(data: DataSettings, token: str | None) -> tuple[pl.DataFrame, Source]:
    """The table of :class:`Records`, if possible without any pixel."""
    found = _release(data, token)
    if found is not None:
        release, source = found
        rows = release.table(source.config or "").filter(pl.col("split") == data.split)
        if not rows.is_empty():
            rows = rows.drop("split").head(data.count or rows.height)
            layout = find_layout([*rows.columns, *_image_columns(rows)], source.name)
            what = f"{source.name}, split {data.split!r}"
            return layout.table(rows.select(layout.small), what), source
    records = read_records(data, token=token)
    return records.table, records.source


def _release(data: DataSettings, token: str | None) -> tuple[Published, Source] | None:
    """The release that ``data`` names, as :func:`read_records` would find it; None for others."""
    config, folder = data.config or "ranked", Path(data.dataset).expanduser()
    try:
        if folder.exists():
            release = open_release(folder, revision=data.revision)
            name, content = folder.resolve().name, ids.fingerprint(release.manifest)
        else:
            release = open_release(data.dataset, revision=data.revision, token=token)
            name, content = parse_name(data.dataset)[0], None
    except ReleaseError:
        return None
    version = release.manifest.get("version")
    return release, Source(name, release.revision, content, config, data.split, version)


def _image_columns(rows: pl.DataFrame) -> list[str]:
    """Columns that a release has and its table without pixels has not."""
    if "preference" not in rows.columns:
        return ["jpg_0", "jpg_1"]
    longest = rows.select(pl.col("preference").list.len().max()).item()
    return [f"image_{number}" for number in range(longest)]


def _lacking(
    recipe: TrainRecipe, table: pl.DataFrame, source: Source, caches: Caches, family: Family
) -> tuple[Size | None, dict[str, int]]:
    """The size of all images, if there is one, and how much the caches have yet to get."""
    size = recipe.data.size
    fixed = None if size is None else parse_size(size, family.multiple)
    facts = Facts(caches.folder, source.decides)
    unknown, keys, sizes = 0, set[str](), set[Size]()
    for row, places in table.select("row", "images").iter_rows():
        known = facts.get(row, places)
        if known is None:
            unknown += len(places)
            continue
        one = fixed or common_size([fact.size for fact in known], family.multiple)
        sizes.add(one)
        keys |= {latents_key(fact.sha256, one) for fact in known}
    if recipe.data.flip:
        unflipped = set(caches.latents.missing([mirrored(key) for key in keys]))
        missing = {key for key in keys if mirrored(key) in unflipped}
    else:
        missing = set()
    missing |= set(caches.latents.missing(keys))
    if fixed is None and unknown == 0 and len(sizes) == 1:
        fixed = sizes.pop()
    prompts = caches.prompts.missing(map(prompt_key, ["", *table["prompt"]]))
    return fixed, {"images": unknown + len(missing), "prompts": len(prompts)}


def _parameters(recipe: TrainRecipe, checkpoint: Checkpoint, family: Family) -> tuple[int, int]:
    """Numbers in the denoiser, and those that are trained; counted without any weight."""
    import diffusers

    with torch.device("meta"):
        kind = getattr(diffusers, checkpoint.index[family.denoiser][1])
        denoiser = kind.from_config(dict(family.shape))
        whole = sum(parameter.numel() for parameter in denoiser.parameters())
        prepare_tuning(denoiser, family, recipe.tuning)
    return whole, sum(parameter.numel() for parameter in trained(denoiser).values())


def _memory(recipe: TrainRecipe, parameters: int, learnt: int) -> dict[str, int]:
    """Bytes on one device, by what they are of."""
    itemsize = DTYPES[recipe.run.precision].itemsize
    full = recipe.tuning.method == "full"
    found = {
        "weights": parameters * (4 if full else itemsize) + (0 if full else learnt * 4),
        "reference": parameters * itemsize if full else 0,
        "gradients": learnt * 4,
        "optimizer": int(learnt * _ADAM_BYTES[recipe.optimizer.name]),
    }
    return {name: number for name, number in found.items() if number}


def _factor(checkpoint: Checkpoint) -> tuple[int, int]:
    """Channels of latents, and pixels to a side of one of their elements."""
    from diffusers import AutoencoderKL

    config = AutoencoderKL.load_config(
        checkpoint.location, subfolder="vae", revision=checkpoint.commit
    )
    return config["latent_channels"], 2 ** (len(config["block_out_channels"]) - 1)


def _latent_numbers(checkpoint: Checkpoint, height: int, width: int) -> int:
    channels, factor = _factor(checkpoint)
    return channels * (height // factor) * (width // factor)


def _own_size(checkpoint: Checkpoint, family: Family) -> Size:
    """What the model draws: a guess at what it is trained on, where nothing says it."""
    if checkpoint.settings.sizes:
        width, height = map(int, checkpoint.settings.sizes[0].split("x"))
        return height, width
    side = int(family.shape["sample_size"]) * _factor(checkpoint)[1]
    return side, side


def _prompt_numbers(checkpoint: Checkpoint, family: Family) -> int:
    """Numbers that are kept of a prompt, about."""
    shape, call = family.shape, checkpoint.settings.call
    if "joint_attention_dim" in shape:
        pooled = int(shape["pooled_projection_dim"])
        t5 = checkpoint.index.get("text_encoder_3", [None])[0] is not None
        length = int(call.get("max_sequence_length", 256))
        return (_CLIP_TOKENS + 1) * pooled + t5 * length * int(shape["joint_attention_dim"])
    if shape.get("caption_channels"):
        return int(call.get("max_sequence_length", 300)) * int(shape["caption_channels"])
    words = _CLIP_TOKENS * int(shape["cross_attention_dim"])
    if not shape.get("projection_class_embeddings_input_dim"):
        return words
    # Beside the words a pooled embedding, and six sizes, which are not kept.
    pooled = int(shape["projection_class_embeddings_input_dim"])
    return words + pooled - 6 * int(shape["addition_time_embed_dim"])
