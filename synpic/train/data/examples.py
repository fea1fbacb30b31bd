"""What there is to learn from, by name: the entries of the caches that make a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.train.data.crops import Crop, Size, crop_of
from synpic.train.data.image_index import ImageIndex, IndexedImage
from synpic.train.data.records import TrainingRecords

__all__ = ["Examples", "TrainingExample", "examples_of", "latents_key", "mirrored", "prompt_key"]


def prompt_key(text: str) -> str:
    """By what a prompt is found in the cache of prompts."""
    return ids.sha256(text.encode())


def latents_key(sha256: str, size: Size) -> str:
    """By what an image, brought to ``size``, is found in the cache of latents."""
    return f"{sha256}-{size[1]}x{size[0]}"


def mirrored(key: str) -> str:
    """By what the mirrored image is found."""
    return f"{key}-mirrored"


@dataclass(frozen=True)
class TrainingExample:
    """A ranking. The lists have a place for each image.

    Args:
        row: of the dataset.
        prompt: key in the cache of prompts.
        latents: keys in the cache of latents.
        crops: see :meth:`synpic.train.families.family.TrainableFamily.predict`.
        preference: φ.
        rank: τ.
    """

    row: int
    prompt: str
    latents: list[str]
    crops: list[Crop]
    preference: list[float]
    rank: list[int]


class Examples(Sequence[TrainingExample]):
    """Examples by number; columns of Arrow, which processes that read data share.

    Args:
        table: row, prompt, sha256, heights, widths, size, preference and rank, a row each.
        same_picture: rankings that were left out, because all their images are one.

    Attributes:
        sizes: height and width in pixels of the images of each, as they are learnt from.
    """

    def __init__(self, table: pa.Table, same_picture: int = 0) -> None:
        self._table = table
        self.same_picture = same_picture
        self.sizes: list[Size] = [(one[0], one[1]) for one in table["size"].to_pylist()]

    def __len__(self) -> int:
        return self._table.num_rows  # type: ignore[no-any-return]

    @property
    def images(self) -> int:
        """Of all examples together."""
        return sum(map(len, self._table["rank"].to_pylist()))

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            start, stop, step = number.indices(len(self))
            return Examples(self._table.take(list(range(start, stop, step))))
        if not -len(self) <= number < len(self):
            raise IndexError(f"example {number} of {len(self)}")
        row = self._table.slice(number % len(self), 1).to_pylist()[0]
        size: Size = (row["size"][0], row["size"][1])
        return TrainingExample(
            row=row["row"],
            prompt=row["prompt"],
            latents=[latents_key(one, size) for one in row["sha256"]],
            crops=[
                crop_of(before, size) for before in zip(row["heights"], row["widths"], strict=True)
            ],
            preference=row["preference"],
            rank=row["rank"],
        )


def examples_of(
    records: TrainingRecords, index: ImageIndex, size_of: Callable[[Sequence[IndexedImage]], Size]
) -> Examples:
    """Records all of whose images are known, but those that show one picture only.

    Args:
        size_of: at what size images that are known are learnt from.
    """
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    same_picture = 0
    table = records.table.select("row", "prompt", "images", "preference", "rank")
    for row, prompt, places, preference, rank in table.iter_rows():
        known = index.get(row, places)
        assert known is not None
        if len({image.sha256 for image in known}) == 1:
            same_picture += 1
            continue
        columns["row"].append(row)
        columns["prompt"].append(prompt_key(prompt))
        columns["sha256"].append([image.sha256 for image in known])
        columns["heights"].append([image.size[0] for image in known])
        columns["widths"].append([image.size[1] for image in known])
        columns["size"].append(size_of(known))
        columns["preference"].append(preference)
        columns["rank"].append(rank)
    return Examples(pa.table(columns, _SCHEMA), same_picture)


_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("prompt", pa.string()),
        ("sha256", pa.list_(pa.string())),
        ("heights", pa.list_(pa.int32())),
        ("widths", pa.list_(pa.int32())),
        ("size", pa.list_(pa.int32(), 2)),
        ("preference", pa.list_(pa.float64())),
        ("rank", pa.list_(pa.int32())),
    ]
)
