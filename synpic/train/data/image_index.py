"""What is known of the images of a dataset without reading them again: their hashes and sizes.

Hashes are what latents are found by. To make them costs all the pixels of a dataset, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from synpic import ids
from synpic.errors import CorruptPart, NewerSchema, OlderSchema
from synpic.train.data.crops import Size
from synpic.workspace.parts import frame, read_part, write_part
from synpic.workspace.storage import Store

__all__ = ["ImageIndex", "IndexedImage"]

_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("place", pa.int32()),
        ("sha256", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
    ]
)
_PART_ROWS = 4096


class IndexedImage(NamedTuple):
    """An image: the hash of its bytes, and its size as it is seen."""

    sha256: str
    size: Size


class ImageIndex:
    """(row, place in it) → :class:`IndexedImage`, in a folder beside the caches.

    Args:
        folder: of the caches.
        fingerprint_inputs: what decides which image is where; another dataset has another index.
    """

    def __init__(self, folder: Path, fingerprint_inputs: Mapping[str, Any]) -> None:
        self._store = Store(folder / f"images-{ids.short(ids.fingerprint(fingerprint_inputs))}")
        self._known: dict[tuple[int, int], IndexedImage] = {}
        self._new: list[tuple[int, int, str, int, int]] = []
        for part in self._store.list(""):
            try:
                rows = frame(read_part(self._store, part, _SCHEMA))
            except (CorruptPart, NewerSchema, OlderSchema):
                continue  # what it knew is found out again
            for row, place, digest, height, width in rows.iter_rows():
                self._known[row, place] = IndexedImage(digest, (height, width))

    def get(self, row: int, places: list[int]) -> list[IndexedImage] | None:
        """Of images of a row of the dataset; None if one of them is not known."""
        found = [self._known[row, place] for place in places if (row, place) in self._known]
        return found if len(found) == len(places) else None

    def add(self, row: int, places: list[int], images: list[IndexedImage]) -> None:
        """Know these from now on; they are on disk after some thousand more, or ``flush``."""
        for place, image in zip(places, images, strict=True):
            if self._known.get((row, place)) != image:
                self._known[row, place] = image
                self._new.append((row, place, image.sha256, *image.size))
        if len(self._new) >= _PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was added.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        if self._new:
            rows = [dict(zip(_SCHEMA.names, row, strict=True)) for row in self._new]
            write_part(self._store, "", pa.Table.from_pylist(rows, _SCHEMA), {})
            self._new = []
