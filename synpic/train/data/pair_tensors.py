"""Prompts and images of pairs as the tensors that verl-omni trains Stable Diffusion 3 on.

What is encoded goes to the trainer's caches, and comes from there: a training run in bf16 of the
same model and size finds it made, and an export that was stopped goes on.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synpic.engine.device import free_memory, pick_device
from synpic.engine.progress import Listener, Meter
from synpic.engine.threads import pool
from synpic.errors import Stopped, TrainingError
from synpic.readers.display import count
from synpic.readers.images import ImageError, decode, describe
from synpic.recipe.settings import ModelSettings
from synpic.registry import MODELS
from synpic.train.data.cache import Caches, default_folder, open_caches
from synpic.train.data.crops import Size, common_size, fit, parse_size
from synpic.train.data.decode_rows import DecodedRow
from synpic.train.data.encode import ImageBatches, encode_prompts
from synpic.train.data.examples import latents_key, prompt_key
from synpic.train.data.image_index import IndexedImage
from synpic.train.data.order import stack
from synpic.train.families.family import CLIP_TOKENS, TrainableFamily
from synpic.train.settings import NoiseSettings
from synpic.train.trainable_checkpoint import TrainableCheckpoint, find_checkpoint

__all__ = ["PairTensors", "latent_numbers", "open_pair_tensors"]

_PIPELINE = "StableDiffusion3Pipeline"

_AT_ONCE = 64
"""Images whose bytes are in memory together."""

_ENVELOPE = 1300
"""Bytes of a saved tensor beside its numbers, about."""

Image = tuple[str, str]
"""Its candidate_id, and the hash of its bytes."""

Read = Callable[[Sequence[Image]], Sequence[bytes]]


class PairTensors:
    """Encodes pairs by one model; every tensor is given as ``torch.save`` writes it.

    Args:
        size: of all images; None for the one size that they have.
        listener: receives stage "encode".
        stop: when set, encoding ends, and what was made is kept.
    """

    def __init__(
        self,
        checkpoint: TrainableCheckpoint,
        family: TrainableFamily,
        caches: Caches,
        *,
        size: Size | None = None,
        listener: Listener | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._checkpoint, self._family, self._caches = checkpoint, family, caches
        self._size, self._listener, self._stop = size, listener, stop
        self.negative_prompt = checkpoint.settings.negative_prompt or ""

    def bytes_of(self, prompts: int, pairs: int) -> int:
        """About how many bytes the tensors of a number of different prompts and of pairs take."""
        words = CLIP_TOKENS + int(self._checkpoint.settings.call.get("max_sequence_length", 256))
        shape = self._family.shape
        numbers = words * int(shape["joint_attention_dim"]) + int(shape["pooled_projection_dim"])
        prompt = numbers * self._caches.embeddings_dtype.itemsize + 4 * words + 3 * _ENVELOPE
        latents = latent_numbers(self._checkpoint, self._family, self._size)
        image = latents * self._caches.latents_dtype.itemsize + _ENVELOPE
        return (prompts + 1) * prompt + 2 * pairs * image

    def prepare(self, prompts: Iterable[str], images: Sequence[Image], read: Read) -> None:
        """Encode what the caches lack.

        Args:
            images: those of the pairs, each once.
            read: their bytes.

        Raises:
            TrainingError: an image cannot be read or encoded, or they have several sizes.
            StorageError: the disk is full, or refuses.
            Stopped: ``stop`` was set.
        """
        if self._size is None:
            self._size = self._common_size(images, read)
        size, latents = self._size, self._caches.latents
        texts = [self.negative_prompt, *prompts]
        self._caches.prompts.set_damage_aside(map(prompt_key, texts))
        latents.set_damage_aside(latents_key(sha256, size) for _, sha256 in images)
        device = pick_device()
        opened = cache(lambda: self._checkpoint.encoders(self._family, device))
        encode_prompts(texts, self._family, self._caches, opened, self._listener, self._stop)
        lacking = [one for one in images if latents.missing([latents_key(one[1], size)])]
        if lacking:
            self._encode_images(lacking, read, size, opened)
        opened.cache_clear()
        free_memory()

    def of_prompt(self, prompt: str) -> dict[str, bytes]:
        """The columns of a prompt, and of the negative one."""
        rows = [
            stack([self._caches.prompts.get(prompt_key(text))])
            for text in (prompt, self.negative_prompt)
        ]
        found = {}
        for name, value in self._family.drawing(*rows).items():
            found[name] = _saved(value[0])
            if name.endswith("prompt_embeds") and "pooled" not in name:
                found[f"{name}_mask"] = _saved(torch.ones(value.shape[1], dtype=torch.int32))
        return found

    def of_image(self, sha256: str) -> bytes:
        """Its latents."""
        assert self._size is not None
        return _saved(self._caches.latents.get(latents_key(sha256, self._size))["latents"])

    def _encode_images(
        self, images: Sequence[Image], read: Read, size: Size, opened: Callable[[], Any]
    ) -> None:
        meter = Meter("encode", "images", len(images), self._listener)
        batches = ImageBatches(
            self._family, self._caches, opened, lambda row, _: f"image {images[row][0]}"
        )
        meter.begin()
        try:
            with ThreadPoolExecutor(pool(8), "pair_tensors") as threads:
                for start in range(0, len(images), _AT_ONCE):
                    some = images[start : start + _AT_ONCE]
                    numbers, sizes = range(start, start + len(some)), [size] * len(some)
                    for row in threads.map(_decoded, numbers, some, read(some), sizes):
                        batches.add(row, False)
                    meter.add(len(some), 0, len(images) - start - len(some))
                    if self._stop is not None and self._stop.is_set():
                        batches.finish()
                        raise Stopped(
                            f"stopped after {meter.done} of {meter.total} images were encoded; "
                            "they are kept",
                            hint="run the same command again to go on",
                        )
            batches.finish()
        finally:
            self._caches.latents.flush()
        meter.end(None)

    def _common_size(self, images: Sequence[Image], read: Read) -> Size:
        sizes: dict[Size, Size] = {}
        for start in range(0, len(images), _AT_ONCE):
            some = images[start : start + _AT_ONCE]
            for image, data in zip(some, read(some), strict=True):
                try:
                    about = describe(data)
                except ImageError as error:
                    raise _unreadable(image, error) from error
                found = (about.height, about.width)
                sizes.setdefault(common_size([found], self._family.multiple), found)
        if len(sizes) > 1:
            shown = ", ".join(sorted(f"{width}x{height}" for height, width in sizes.values())[:5])
            raise TrainingError(
                f"the images have {count(len(sizes), 'size')}, as {shown}, and verl-omni stacks "
                "those of a batch",
                hint="bring all to one with --size 1024x1024, or the like",
            )
        (size,) = sizes
        _check_size(self._family, size)
        return size


def open_pair_tensors(
    model: str,
    *,
    size: str | None = None,
    folder: Path | None = None,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> PairTensors:
    """What encodes pairs by ``model``; no weight is opened yet.

    Args:
        model: a registered one, a repository on the Hub, or a folder.
        size: "WIDTHxHEIGHT" of all images, which are resized and cut; the one that they have if
            None.
        folder: of the caches; the user's if None.

    Raises:
        TrainingError: it is no Stable Diffusion 3, or ``size`` does not fit it.
        SynpicError: as opening a checkpoint does.
    """
    known = model in MODELS.names()
    settings = ModelSettings(model=model) if known else ModelSettings(checkpoint=model)
    checkpoint = find_checkpoint(settings)
    pipeline = str(checkpoint.index().get("_class_name"))
    if pipeline != _PIPELINE:
        raise TrainingError(
            f"{model} is a {pipeline}, and verl-omni reads tensors of Stable Diffusion 3 alone",
            hint=f"name a {_PIPELINE}; other models train from --to flow-factory or folders",
        )
    family = checkpoint.family(NoiseSettings())
    fixed = None
    if size is not None:
        fixed = parse_size(size, family.multiple, "--size")
        _check_size(family, fixed)
    caches = open_caches(
        folder or default_folder(),
        family,
        checkpoint.identity,
        # As training in bf16 keeps them.
        latents_dtype=torch.float16,
        embeddings_dtype=torch.bfloat16,
    )
    return PairTensors(checkpoint, family, caches, size=fixed, listener=listener, stop=stop)


def latent_numbers(
    checkpoint: TrainableCheckpoint, family: TrainableFamily, size: Size | None
) -> int:
    """Numbers in the latents of an image; where no size is known, of one that the model draws."""
    config = checkpoint.configuration("vae")
    factor = 1 << (len(config["block_out_channels"]) - 1)
    if size is None and checkpoint.settings.sizes:
        size = parse_size(checkpoint.settings.sizes[0], 1)
    if size is None:
        size = (int(family.shape["sample_size"]) * factor,) * 2
    channels = int(config["latent_channels"])
    return channels * (size[0] // factor) * (size[1] // factor)


def _check_size(family: TrainableFamily, size: Size) -> None:
    if family.largest is not None and max(size) > family.largest:
        raise TrainingError(
            f"images of {size[1]}x{size[0]} pixels are too large: {family.settings.checkpoint} "
            f"takes {family.largest} each side at most",
            hint="--size 1024x1024, for one",
        )


def _decoded(number: int, image: Image, data: bytes, size: Size) -> DecodedRow:
    try:
        picture = decode(data)
    except ImageError as error:
        raise _unreadable(image, error) from error
    found = IndexedImage(image[1], (picture.height, picture.width))
    return DecodedRow(number, [0], [found], size, [fit(picture, size)])


def _unreadable(image: Image, error: ImageError) -> TrainingError:
    return TrainingError(f"image {image[0]}: {error}", hint="leave it out with --where or --drop")


def _saved(tensor: Tensor) -> bytes:
    stream = io.BytesIO()
    # A copy of its own: of a view, all that lies behind it would be saved.
    torch.save(tensor.detach().cpu().clone(), stream)
    return stream.getvalue()
