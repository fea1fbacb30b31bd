"""Images for rewards to be timed on: what models drew for calibration, else what is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import polars as pl

from synpic.engine.task import Row
from synpic.pipeline.inventory import Inventory

__all__ = ["InMemory", "as_candidates", "stored"]


class InMemory:
    """Encoded images, as a reader of parts gives them."""

    def __init__(self, images: Mapping[str, bytes]) -> None:
        self._images = images

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        """Images for (candidate_id, sha256) pairs, in that order."""
        return [self._images[sha256] for _, sha256 in wanted]


def as_candidates(
    drawn: Sequence[Row], prompts: pl.DataFrame, count: int
) -> tuple[pl.DataFrame, dict[str, bytes]]:
    """``count`` candidates to score, and their images: what was drawn, over again if it is less.

    No candidate has their ids, so that no workspace has a score of them.
    """
    texts = dict(prompts.select("prompt_id", "prompt").iter_rows())
    rows = [
        (f"{number:032x}", row["sha256"], row["prompt_id"], texts[row["prompt_id"]])
        for number, row in enumerate(islice(cycle(drawn), count))
    ]
    columns = ["candidate_id", "sha256", "prompt_id", "prompt"]
    images = {row["sha256"]: row["image"]["bytes"] for row in drawn}
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row"), images


def stored(inventory: Inventory, there: pl.DataFrame, count: int) -> list[Row]:
    """The first images that the workspace holds, where the models brought none."""
    rows = there.head(count).select("candidate_id", "sha256", "prompt_id").to_dicts()
    if not rows:
        return []
    reader = inventory.workspace.images(inventory.image_folders())
    read = reader.read([(row["candidate_id"], row["sha256"]) for row in rows])
    return [{**row, "image": {"bytes": data}} for row, data in zip(rows, read, strict=True)]
