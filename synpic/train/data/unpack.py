"""Rows of a dataset → their images at one size, unpacked while others are encoded."""

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
from synpic.train.data.facts import Fact
from synpic.train.data.framing import Size, fit
from synpic.train.data.records import Records

__all__ = ["Pixels", "Row", "unpack"]

Pixels = npt.NDArray[np.uint8]
"""``UInt8[height, width, 3]``."""


@dataclass(frozen=True)
class Row:
    """The images of a row of the dataset.

    Args:
        number: of the row.
        places: which of its columns of images.
        facts: of each image as it was.
        size: at which they are learnt from.
        pixels: of each image, brought to that size.
    """

    number: int
    places: list[int]
    facts: list[Fact]
    size: Size
    pixels: list[Pixels]


def unpack(
    records: Records,
    rows: Sequence[tuple[int, list[int]]],
    size_of: Callable[[Sequence[Fact]], Size],
) -> Iterator[Row]:
    """``rows`` (number, places) in their order; the next few are made ready meanwhile.

    Args:
        size_of: what is known of a row's images → the size at which they are learnt from.

    Raises:
        TrainingError: an image is missing, or is no whole image; it is named.
    """
    coming: deque[Future[Row]] = deque()
    threads = pool(8)
    with ThreadPoolExecutor(threads, "unpack") as unpacking:
        try:
            for number, places in rows:
                data = records.images(number, places)
                coming.append(unpacking.submit(_unpack, records, number, places, data, size_of))
                if len(coming) > threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            unpacking.shutdown(cancel_futures=True)


def _unpack(
    records: Records,
    number: int,
    places: list[int],
    data: list[bytes],
    size_of: Callable[[Sequence[Fact]], Size],
) -> Row:
    images = []
    for place, encoded in zip(places, data, strict=True):
        try:
            images.append(decode(encoded))
        except ImageError as error:
            raise TrainingError(
                f"{records.where(number, place)}: {error}",
                hint="take the row out of the dataset, or replace the image",
            ) from error
    facts = [
        Fact(ids.sha256(encoded), (image.height, image.width))
        for encoded, image in zip(data, images, strict=True)
    ]
    size = size_of(facts)
    return Row(number, places, facts, size, [fit(image, size) for image in images])
