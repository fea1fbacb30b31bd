"""Rows of a dataset → their images at one size, decoded while others are encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synpic import ids
from synpic.engine.threads import pool
from synpic.errors import TrainingError
from synpic.readers.images import ImageError, decode
from synpic.train.data.crops import Size, fit
from synpic.train.data.image_index import IndexedImage
from synpic.train.data.records import TrainingRecords

__all__ = ["DecodedRow", "Pixels", "decode_rows"]

Pixels = npt.NDArray[np.uint8]
"""``UInt8[height, width, 3]``."""


@dataclass(frozen=True)
class DecodedRow:
    """The images of a row of the dataset.

    Args:
        number: of the row.
        places: which of its columns of images.
        found: of each image as it was.
        size: at which they are learnt from.
        pixels: of each image, brought to that size.
    """

    number: int
    places: list[int]
    found: list[IndexedImage]
    size: Size
    pixels: list[Pixels]


def decode_rows(
    records: TrainingRecords,
    rows: Sequence[tuple[int, list[int]]],
    size_of: Callable[[Sequence[IndexedImage]], Size],
) -> Iterator[DecodedRow]:
    """``rows`` (number, places) in their order; the next few are made ready meanwhile.

    Args:
        size_of: what is known of a row's images → the size at which they are learnt from.

    Raises:
        TrainingError: an image is missing, or is no whole image; it is named.
    """
    coming: deque[Future[DecodedRow]] = deque()
    threads = pool(8)
    with ThreadPoolExecutor(threads, "decode_rows") as decoding:
        try:
            for number, places in rows:
                data = records.images(number, places)
                coming.append(decoding.submit(_decode_row, records, number, places, data, size_of))
                if len(coming) > threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            decoding.shutdown(cancel_futures=True)


def _decode_row(
    records: TrainingRecords,
    number: int,
    places: list[int],
    data: list[bytes],
    size_of: Callable[[Sequence[IndexedImage]], Size],
) -> DecodedRow:
    images = []
    for place, encoded in zip(places, data, strict=True):
        try:
            images.append(decode(encoded))
        except ImageError as error:
            raise TrainingError(
                f"{records.where(number, place)}: {error}",
                hint="take the row out of the dataset, or replace the image",
            ) from error
    found = [
        IndexedImage(ids.sha256(encoded), (image.height, image.width))
        for encoded, image in zip(data, images, strict=True)
    ]
    size = size_of(found)
    return DecodedRow(number, places, found, size, [fit(image, size) for image in images])
