"""Images as files of their own: copied byte for byte, a handful of pairs at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from synpic.publish.manifest import describe_bytes
from synpic.publish.table.shards import Read
from synpic.readers.images import ImageError, describe
from synpic.release.manifest import File

__all__ = ["SIDES", "PairRow", "image_ending", "read_pairs", "write_image_files"]

SIDES = ("chosen", "rejected")

PairRow = Mapping[str, Any]
"""A row of ``pairwise``; its images are references."""

_AT_ONCE = 64
"""Pairs whose pixels are in memory together."""


def read_pairs(
    rows: pl.DataFrame, read: Read, on_progress: Callable[[int, int], None] | None
) -> Iterator[tuple[PairRow, bytes, bytes]]:
    """Each pair of ``rows`` with both of its images, as they were encoded.

    Args:
        on_progress: called with pairs taken and pairs in all.
    """
    for start in range(0, rows.height, _AT_ONCE):
        batch = rows.slice(start, _AT_ONCE).to_dicts()
        wanted = dict.fromkeys(_key(row[side]) for row in batch for side in SIDES)
        images = dict(zip(wanted, read(list(wanted)), strict=True))
        for row in batch:
            yield (row, images[_key(row["chosen"])], images[_key(row["rejected"])])
        if on_progress:
            on_progress(start + len(batch), rows.height)


def write_image_files(
    row: PairRow, images: tuple[bytes, bytes], folder: Path, files: dict[str, File]
) -> list[str]:
    """Both images of a pair below ``images/``, each once, however many pairs it is in.

    Args:
        files: path → size and hash of what is there; it gets what is written.

    Returns:
        Their paths in ``folder``: the chosen one's, then the rejected one's.
    """
    paths = []
    for side, data in zip(SIDES, images, strict=True):
        path = f"images/{row[f'{side}_id']}{image_ending(data, row[side]['path'])}"
        paths.append(path)
        if path not in files:
            (folder / "images").mkdir(exist_ok=True)
            # Not flushed one by one: of a hundred thousand, that would take hours.
            (folder / path).write_bytes(data)
            files[path] = describe_bytes(data)
    return paths


def image_ending(data: bytes, path: str) -> str:
    """Of a file's name, by its format; by ``path`` where the header cannot be read."""
    try:
        return f".{describe(data).extension}"
    except ImageError:
        suffix = PurePosixPath(path).suffix
        return suffix if re.fullmatch(r"\.\w{1,8}", suffix, re.ASCII) else ""


def _key(image: Mapping[str, str]) -> tuple[str, str]:
    return image["candidate_id"], image["sha256"]
