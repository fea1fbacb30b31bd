"""Where each image lies: in which part, row group and row, by candidate id and hash."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import polars as pl

__all__ = ["ImagePlace", "ImagePlaces"]

_KEY = 16
"""Bytes of a key: 128 bits of a hash, as an id has."""


class ImagePlace(NamedTuple):
    """The number of a part, of a row group in it, and of a row in that, each from 0."""

    part: int
    group: int
    row: int


class ImagePlaces:
    """Places of images by (candidate_id, sha256).

    Sorted arrays of 28 bytes an image: a dictionary of as many entries takes seven times that, and
    each process that reads images has one.

    Args:
        parts: of each part candidate_id, sha256, ``group`` and ``row`` of its images. Of one image
            that lies in several places the last counts.
    """

    def __init__(self, parts: Iterable[pl.DataFrame]) -> None:
        keys = bytearray()
        places = [np.empty((0, 3), np.uint32)]
        for number, rows in enumerate(parts):
            for one, sha256 in rows.select("candidate_id", "sha256").iter_rows():
                keys += _key(one, sha256)
            numbered = rows.select(pl.lit(number).alias("part"), "group", "row")
            places.append(numbered.cast(pl.UInt32).to_numpy())
        halves = np.frombuffer(bytes(keys), ">u8").reshape(-1, 2).astype(np.uint64)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable
        self._first, self._second = halves[order, 0], halves[order, 1]
        self._places = np.concatenate(places)[order]

    def find(self, candidate_id: str, sha256: str) -> ImagePlace | None:
        """Where the image lies; None where it does not."""
        first, second = np.frombuffer(_key(candidate_id, sha256), ">u8").astype(np.uint64)
        at = int(np.searchsorted(self._first, first, side="right")) - 1
        while at >= 0 and self._first[at] == first:
            if self._second[at] == second:
                return ImagePlace(*self._places[at].tolist())
            at -= 1
        return None


def _key(candidate_id: str, sha256: str) -> bytes:
    return blake2b(f"{candidate_id} {sha256}".encode(), digest_size=_KEY).digest()
