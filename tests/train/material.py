"""Releases to learn from, and a family that encodes without a model."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import Tensor

from synpic.publish import publish_to
from synpic.recipe.settings import ModelSettings
from synpic.train.data.cache import Caches, open_caches
from synpic.train.data.records import RankingsSource, TrainingRecords
from synpic.train.families.family import Encoded, TrainableFamily
from synpic.train.settings import DataSettings, NoiseSettings
from tests.publish.fixtures import build

PROMPTS = [(f"prompt {n}", "validation" if n % 3 == 0 else "train") for n in range(9)]


def release(root: Path, **options: Any) -> Path:
    """A release with 6 prompts of three models in ``train``; prompt 4 has two images."""

    def keep(row: dict[str, Any]) -> bool:
        return not (row["prompt"] == "prompt 4" and row["model"] == "beta")

    options = {"prompts": PROMPTS, "keep": keep, **options}
    configs = ["ranked", "scores", "pickapic", "pairwise"]
    return publish_to(build(root / "set", **options), root / "out", configs=configs).directory


def data(where: object, **settings: Any) -> DataSettings:
    return DataSettings(dataset=str(where), **settings)


def encoded_image(height: int, width: int, seed: int, kind: str = "PNG", **options: Any) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, kind, **options)
    return buffer.getvalue()


class Averages(TrainableFamily):
    """Latents are means of 4 × 4 pixels; a prompt is four numbers that follow from its text."""

    denoiser = "unet"
    adapted = ()
    multiple = 8

    def __init__(self) -> None:
        super().__init__(ModelSettings(), {}, NoiseSettings())
        self.batches: list[int] = []

    def encode_prompts(self, pipeline: Any, texts: Sequence[str]) -> Encoded:
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        words = torch.tensor([[byte / 255 for byte in digest[:4]] for digest in digests])
        return {"words": words, "mask": (words > 0.5).long()}

    def prompt_numbers(self, index: Mapping[str, Any]) -> int:
        return 8

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        self.batches.append(len(pixels))
        return torch.nn.functional.avg_pool2d(pixels, 4)

    def sample_times(self, generator: torch.Generator, count: int) -> Tensor:
        return torch.rand(count, generator=generator)

    def add_noise(self, latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        return latents + noise, noise

    def predict(
        self, denoiser: Any, noisy: Tensor, times: Tensor, encoded: Encoded, crops: Tensor
    ) -> Tensor:
        return noisy

    def drawing(self, encoded: Encoded, empty: Encoded) -> dict[str, Any]:
        return {}


class Opener:
    """``open_pipeline`` that counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Any:
        self.times += 1
        return SimpleNamespace()


def caches(folder: Path, dtype: torch.dtype = torch.float32, **identity: str) -> Caches:
    return open_caches(
        folder,
        Averages(),
        identity,
        latents_dtype=dtype,
        embeddings_dtype=dtype,
    )


class Rows:
    """Stands for a dataset of the given images, and counts what is read of it."""

    def __init__(self, images: list[list[bytes]]) -> None:
        self.images = images
        self.read: list[int] = []

    def __getitem__(self, row: int) -> Any:
        self.read.append(row)
        cells = {f"image_{n}": {"bytes": one} for n, one in enumerate(self.images[row])}

        class Table:
            def to_pylist(self) -> list[dict[str, Any]]:
                return [cells]

        return Table()


def records_of(images: list[list[bytes]], content: str = "c") -> tuple[TrainingRecords, Rows]:
    rows = Rows(images)
    most = max(map(len, images))
    columns = {
        "row": list(range(len(images))),
        "key": [f"prompt {n}" for n in range(len(images))],
        "prompt": [f"prompt {n}" for n in range(len(images))],
        "images": [list(range(len(row))) for row in images],
        "preference": [[float(n == 0) for n in range(len(row))] for row in images],
        "rank": [[1 + (n > 0) for n in range(len(row))] for row in images],
    }
    schema = {"images": pl.List(pl.Int32), "rank": pl.List(pl.Int32)}
    source = RankingsSource("set", None, content, "ranked", "train", None)
    names = tuple(f"image_{n}" for n in range(most))
    return TrainingRecords(
        pl.DataFrame(columns, schema_overrides=schema), source, names, lambda: rows
    ), rows
