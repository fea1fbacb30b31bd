"""Pairs as two folders of image files, with a caption beside each.

chosen/<chosen_id>-<rejected_id>.png
chosen/<chosen_id>-<rejected_id>.txt
rejected/<chosen_id>-<rejected_id>.png
rejected/<chosen_id>-<rejected_id>.txt
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import polars as pl

from synpic.publish.image_files import SIDES, image_ending, read_pairs
from synpic.publish.manifest import describe_bytes
from synpic.publish.table.shards import Read
from synpic.readers.display import count
from synpic.release.manifest import File

__all__ = ["notes_on_folders", "write_folders"]

_READ_BY_TRAINERS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Endings of the image files that kohya's scripts look for in a folder."""


def write_folders(
    rows: pl.DataFrame,
    read: Read,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, File]:
    """``chosen/`` and ``rejected/``: path → size and hash.

    A pair's files are named after its two images, so that a trainer's cache of latents, which goes
    by name, never takes one pair for another after a new ranking.

    Args:
        rows: of ``pairwise``.
        on_progress: called with pairs written and pairs in all.
    """
    for side in SIDES:
        (folder / side).mkdir()
    files: dict[str, File] = {}
    for row, *images in read_pairs(rows, read, on_progress):
        # One name for both sides, whatever each was encoded as: readers look at the bytes.
        ending = image_ending(images[0], row["chosen"]["path"])
        name = f"{row['chosen_id']}-{row['rejected_id']}"
        # A space where there is no prompt: kohya's scripts fail at an empty file.
        caption = (" ".join(row["prompt"].splitlines()) or " ").encode()
        for side, image in zip(SIDES, images, strict=True):
            for path, data in (
                (f"{side}/{name}{ending}", image),
                (f"{side}/{name}.txt", caption),
            ):
                # Not flushed one by one: of a hundred thousand, that would take hours.
                (folder / path).write_bytes(data)
                files[path] = describe_bytes(data)
    return files


def notes_on_folders(files: Mapping[str, File]) -> tuple[str, ...]:
    """What to know of image files that stand alone: which of them a trainer passes over."""
    endings = Counter(PurePosixPath(path).suffix for path in files if path.startswith("chosen/"))
    read = ", ".join(f"`{one}`" for one in _READ_BY_TRAINERS)
    return tuple(
        f"{count(pairs, 'pair')} in `{ending}` files: kohya's scripts pass over them, and read "
        f"{read}. Convert them first."
        for ending, pairs in sorted(endings.items())
        if ending not in (*_READ_BY_TRAINERS, ".txt")
    )
