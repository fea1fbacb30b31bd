"""Images and prompts, encoded once: what is missing in the caches is made, and nothing else.

A start that finds everything reads no pixel and opens no part of the model.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from synpic.engine.progress import Event, Listener, Meter
from synpic.errors import Stopped, TrainingError
from synpic.readers.display import count
from synpic.train.data.cache import Caches
from synpic.train.data.crops import Size, common_size, parse_size
from synpic.train.data.decode_rows import DecodedRow, Pixels, decode_rows
from synpic.train.data.examples import Examples, examples_of, latents_key, mirrored, prompt_key
from synpic.train.data.image_index import ImageIndex, IndexedImage
from synpic.train.data.records import TrainingRecords
from synpic.train.families.family import TrainableFamily

__all__ = ["ImageBatches", "Lacking", "encode_all", "encode_prompts", "lacking", "sizing"]

_PROMPTS = 32
_IMAGES = 32
_PIXELS = 2 << 20
"""Prompts, images, and pixels of images that are encoded at once, at most."""

OpenPipeline = Callable[[], Any]
SizeOf = Callable[[Sequence[IndexedImage]], Size]


def encode_all(
    records: TrainingRecords,
    family: TrainableFamily,
    caches: Caches,
    open_pipeline: OpenPipeline,
    *,
    size: str | None = None,
    flip: bool = False,
    texts: Iterable[str] = (),
    verify: bool = True,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Examples:
    """Make what the caches lack of ``records`` and of the empty prompt; an index of it all.

    Killed and called again, it goes on. Called where nothing is missing, it reads no pixel. Damaged
    parts of the caches are set aside, which ``listener`` receives, and made again.

    Args:
        records: those that are learnt from, with their labels.
        open_pipeline: opens the model's pipeline, on its device, with its autoencoder in float32
            (SDXL's makes NaN in float16); called once at most, and only if something is missing.
        size: "WIDTHxHEIGHT" of all images; of each row, that of its smallest image if None.
        flip: mirrored images too.
        texts: prompts beside those of the records.
        verify: read what the caches hold of the records, to see that it is whole. Without it, what
            is damaged is seen when it is read in training.
        listener: receives stage "encode", in images.
        stop: when set, the work ends, and what was made is kept.

    Raises:
        TrainingError: an image that cannot be read or encoded; it is named. Or each row shows one
            picture only.
        StorageError: the disk is full, or refuses.
        Stopped: ``stop`` was set.
    """
    opened = cache(open_pipeline)
    size_of = sizing(size, family.multiple)
    every = ["", *records.table["prompt"], *texts]
    index = ImageIndex(caches.folder, records.source.fingerprint_inputs)
    if verify:
        damaged = caches.prompts.set_damage_aside(map(prompt_key, every))
        damaged += caches.latents.set_damage_aside(_known(records, index, size_of, flip))
        for part in damaged:
            _tell(
                listener,
                f"{part} is damaged: what it held is made again; it was set aside as "
                f"{part.name}.damaged, and may be deleted",
            )
    encode_prompts(every, family, caches, opened, listener, stop)
    rows = lacking(records, index, size_of, caches, flip).rows
    if rows:
        meter = Meter("encode", "images", sum(len(places) for _, places in rows), listener)
        images = ImageBatches(family, caches, opened, records.where)
        try:
            for row in decode_rows(records, rows, size_of):
                images.add(row, flip)
                index.add(row.number, row.places, row.found)
                meter.add(len(row.places), 0, meter.total - meter.done - len(row.places))
                if stop is not None and stop.is_set():
                    images.finish()
                    raise _stopped(meter)
            images.finish()
        finally:
            caches.latents.flush()
            index.flush()
        meter.end(None)
    examples = examples_of(records, index, size_of)
    if examples.same_picture and not len(examples):
        raise TrainingError(
            f"{records.source.name}: none of {count(examples.same_picture, 'row')} can prefer one "
            "image to another: all images of a row are one picture",
            hint="there is nothing to learn; look how the dataset was put together",
        )
    return examples


def sizing(size: str | None, multiple: int) -> SizeOf:
    """At what size images that are known are learnt from.

    Args:
        size: "WIDTHxHEIGHT" of all; that of the smallest of a row if None.
        multiple: of its sides.

    Raises:
        TrainingError: ``size`` does not fit.
    """
    fixed = None if size is None else parse_size(size, multiple)
    return lambda index: fixed or common_size([image.size for image in index], multiple)


def _known(
    records: TrainingRecords, index: ImageIndex, size_of: SizeOf, flip: bool
) -> Iterator[str]:
    """Keys of the latents of images that have been read before."""
    for row, places in records.table.select("row", "images").iter_rows():
        known = index.get(row, places)
        size = size_of(known) if known else (0, 0)
        for image in known or ():
            key = latents_key(image.sha256, size)
            yield from (key, mirrored(key)) if flip else (key,)


@dataclass(frozen=True)
class Lacking:
    """What the caches have yet to get of a dataset.

    Args:
        rows: number and places of those with an image that was never read or that has no latents;
            all their images.
        images: to be encoded: each once, as far as they have been read.
        sizes: at which images are learnt from → rows, as far as they have been read.
    """

    rows: list[tuple[int, list[int]]]
    images: int
    sizes: Counter[Size]


def lacking(
    records: TrainingRecords, index: ImageIndex, size_of: SizeOf, caches: Caches, flip: bool
) -> Lacking:
    """Compare ``records`` with ``caches``, by names alone.

    Args:
        size_of: see :func:`sizing`.
        flip: mirrored images too.
    """
    rows, unread, unmade, sizes = [], 0, set[str](), Counter[Size]()
    for row, places in records.table.select("row", "images").iter_rows():
        known = index.get(row, places)
        if known is None:
            unread += len(places)
            rows.append((row, places))
            continue
        size = size_of(known)
        sizes[size] += 1
        keys = [latents_key(image.sha256, size) for image in known]
        sides = {key: [key, mirrored(key)] if flip else [key] for key in keys}
        missing = {key for key, both in sides.items() if caches.latents.missing(both)}
        unmade |= missing
        if missing:
            rows.append((row, places))
    return Lacking(rows, unread + len(unmade), sizes)


@torch.no_grad()
def encode_prompts(
    texts: Iterable[str],
    family: TrainableFamily,
    caches: Caches,
    open_pipeline: OpenPipeline,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Make what the cache of prompts lacks of ``texts``.

    Args:
        open_pipeline, listener, stop: as for :func:`encode_all`.

    Raises:
        TrainingError: an encoder made something that is not finite.
        StorageError: the disk is full, or refuses.
        Stopped: ``stop`` was set.
    """
    by_key = {prompt_key(text): text for text in texts}
    missing = caches.prompts.missing(by_key)
    if not missing:
        return
    meter = Meter("encode", "prompts", len(missing), listener)
    meter.tell("opening")
    pipeline = open_pipeline()
    meter.begin()
    try:
        for start in range(0, len(missing), _PROMPTS):
            keys = missing[start : start + _PROMPTS]
            encoded = family.encode_prompts(pipeline, [by_key[key] for key in keys])
            for number, key in enumerate(keys):
                row = {
                    name: _stored(values[number], caches.embeddings_dtype)
                    for name, values in encoded.items()
                }
                if not all(map(_is_finite, row.values())):
                    raise TrainingError(
                        f"the text encoders made NaN or infinity of the prompt {by_key[key]!r:.200}"
                        f", or it does not fit into {caches.embeddings_dtype}",
                        hint='in [model] set dtype = "bfloat16" or "float32"',
                    )
                caches.prompts.add(key, row)
            meter.add(len(keys), 0, len(missing) - start - len(keys))
            if stop is not None and stop.is_set():
                raise _stopped(meter)
    finally:
        caches.prompts.flush()
    meter.end(None)


class ImageBatches:
    """Pixels that wait for others of their size, to be encoded together.

    Args:
        where: row and place of an image → its name, for messages.
    """

    def __init__(
        self,
        family: TrainableFamily,
        caches: Caches,
        open_pipeline: OpenPipeline,
        where: Callable[[int, int], str],
    ) -> None:
        self._family, self._caches, self._open = family, caches, open_pipeline
        self._where = where
        self._waiting: dict[Size, dict[str, tuple[Pixels, tuple[int, int]]]] = {}

    def add(self, row: DecodedRow, flip: bool) -> None:
        """Take in the images of a row, those that have latents left out."""
        for place, image, pixels in zip(row.places, row.found, row.pixels, strict=True):
            key = latents_key(image.sha256, row.size)
            sides = {key: pixels, mirrored(key): pixels[:, ::-1]} if flip else {key: pixels}
            for one in self._caches.latents.missing(sides):
                waiting = self._waiting.setdefault(row.size, {})
                waiting[one] = (sides[one], (row.number, place))
                if len(waiting) >= max(1, min(_IMAGES, _PIXELS // (row.size[0] * row.size[1]))):
                    self._encode(self._waiting.pop(row.size))

    def finish(self) -> None:
        """Encode what still waits."""
        while self._waiting:
            self._encode(self._waiting.popitem()[1])

    @torch.no_grad()
    def _encode(self, batch: dict[str, tuple[Pixels, tuple[int, int]]]) -> None:
        stacked = torch.from_numpy(np.stack([pixels for pixels, _ in batch.values()]))
        pixels = stacked.permute(0, 3, 1, 2).float() / 127.5 - 1
        latents = self._family.encode_images(self._open(), pixels).cpu()
        for (key, (_, place)), made in zip(batch.items(), latents, strict=True):
            kept = _stored(made, self._caches.latents_dtype)
            if not _is_finite(kept):
                raise TrainingError(
                    f"{self._where(*place)}: the autoencoder made NaN or infinity of it",
                    hint="open the image; if it looks well, another autoencoder is needed: SDXL's "
                    "is right in float32 only",
                )
            self._caches.latents.add(key, {"latents": kept})


def _stored(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """On the CPU, a copy of its own, in ``dtype`` if it holds fractions."""
    kept = tensor.to("cpu", dtype if tensor.is_floating_point() else None, copy=True)
    return kept.contiguous()


def _is_finite(tensor: torch.Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _stopped(meter: Meter) -> Stopped:
    return Stopped(
        f"stopped after {meter.done} of {meter.total} {meter.name} were encoded; they are kept",
        hint="run the same command again to go on",
    )


def _tell(listener: Listener | None, note: str) -> None:
    if listener is not None:
        listener(Event("encode", "cache", "working", 0, 0, note=note))
