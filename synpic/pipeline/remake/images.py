"""Images of a release and images that were drawn again: pixel by pixel, or by the hash of files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from synpic import ids
from synpic.errors import ReleaseError
from synpic.readers.images import ImageError, decode
from synpic.release.images import PublishedImages
from synpic.workspace.images import ImageReader

__all__ = ["compare_images"]

_AT_ONCE = 16
"""Images in memory, of each side."""

_SCHEMA = {
    "candidate_id": pl.String,
    "same": pl.Boolean,
    "decoded": pl.Boolean,
    "values": pl.Int64,
    "largest": pl.Int32,
}


def compare_images(
    rows: pl.DataFrame, published: PublishedImages | None, here: ImageReader
) -> pl.DataFrame:
    """Whether each image is what was published.

    Args:
        rows: of each image ``candidate_id`` and ``sha256`` as published, ``made`` and
            ``made_sha256`` here.
        published: the pixels; None compares by the hashes alone, and so is an image that it lacks.
        here: the images that were drawn.

    Returns:
        Of each image ``candidate_id``, ``same``, ``decoded`` (whether both were), and where both
        were and differ, how many of their ``values`` (three a pixel) do, and by how much at most
        (``largest``, of 255).

    Raises:
        ReleaseError: a published image cannot be read.
        HubUnreachable: the Hub did not answer.
    """
    known = set() if published is None else set(published.candidates["candidate_id"])
    by_hash = rows.filter(~pl.col("candidate_id").is_in(known))
    found: list[dict[str, Any]] = [
        {"candidate_id": one, "same": was == now, "decoded": False}
        for one, was, now in by_hash.select("candidate_id", "sha256", "made_sha256").iter_rows()
    ]
    if published is not None:
        pairs = rows.filter(pl.col("candidate_id").is_in(known))
        found += _decoded(pairs, published, here)
    return pl.DataFrame(found, _SCHEMA)


def _decoded(
    rows: pl.DataFrame, published: PublishedImages, here: ImageReader
) -> Iterator[dict[str, Any]]:
    made = {row["candidate_id"]: (row["made"], row["made_sha256"]) for row in rows.to_dicts()}
    # "" checks nothing: an image that is not what `scores` says is to be found, not refused.
    wanted = published.in_order([(one, "") for one in made])
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        theirs = published.read(some)
        ours = here.read([made[one] for one, _ in some])
        for (one, _), was, now in zip(some, theirs, ours, strict=True):
            yield {"candidate_id": one, "decoded": True, **_difference(one, was, now)}


def _difference(one: str, was: bytes, now: bytes) -> dict[str, Any]:
    if ids.sha256(was) == ids.sha256(now):
        return {"same": True}
    try:
        before = np.asarray(decode(was), dtype=np.int16)
    except ImageError as error:
        raise ReleaseError(
            f"the published image of {one} cannot be decoded: {error}",
            hint="`synpic verify` says what else is damaged",
        ) from error
    after = np.asarray(decode(now), dtype=np.int16)
    if before.shape != after.shape:
        return {"same": False, "values": before.size, "largest": None}
    apart = np.abs(before - after)
    values = int(np.count_nonzero(apart))
    return {"same": values == 0, "values": values, "largest": int(apart.max(initial=0))}
