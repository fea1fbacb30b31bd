"""Labels of a source's images → labels of the candidates that those images became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from synpic import ids
from synpic.ingest.labels.forms import FoundLabels
from synpic.workspace import tables

__all__ = ["label_candidates", "merge_equal"]

_SAME = "of an image with itself"
_OTHER = "of images with different prompts"
_NONE = "of an image without a prompt"


def label_candidates(
    found: FoundLabels, candidates: Sequence[str], prompts: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows of ``tables.LABELS``; and why others are not among them, with how many of each.

    Args:
        candidates, prompts: ids of the candidate and of the prompt, of every image that was found.
    """
    ids_of = pl.Series(candidates, dtype=pl.String)
    prompt_of = pl.Series(prompts, dtype=pl.String)
    left, right = found.rows["left"], found.rows["right"]
    rows = found.rows.with_columns(
        left=ids_of.gather(left),
        right=ids_of.gather(right),
        prompt_id=prompt_of.gather(left),
        other=prompt_of.gather(right),
    )
    left_out: dict[str, int] = {}
    blank = ids.prompt_id("")
    for reason, holds in (
        (_NONE, (pl.col("prompt_id") != blank) & (pl.col("other") != blank)),
        (_OTHER, pl.col("prompt_id") == pl.col("other")),
        (_SAME, pl.col("left") != pl.col("right")),
    ):
        kept = rows.filter(holds)
        if kept.height < rows.height:
            left_out[reason] = rows.height - kept.height
        rows = kept
    return rows.select(tables.LABELS.names).with_columns(pl.col("share").cast(pl.Float32)), left_out


def merge_equal(
    labels: pl.DataFrame, left_out: Mapping[str, int], counted: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Labels of images that turned out to be another's equal, as labels of that one.

    Args:
        labels, left_out: as :func:`label_candidates` gives them.
        counted: ``candidate_id`` of such images, and ``counts``, that of the one that counts.

    Returns:
        The same two; equal to what was given where no label is of such an image.
    """
    rows = labels
    for side in ("left", "right"):
        known = counted.rename({"candidate_id": side, "counts": "_counts"})
        rows = rows.join(known, on=side, how="left", maintain_order="left")
        rows = rows.with_columns(pl.coalesce("_counts", side).alias(side)).drop("_counts")
    kept = rows.filter(pl.col("left") != pl.col("right"))
    same = rows.height - kept.height
    counts = dict(left_out)
    if same:
        counts[_SAME] = counts.get(_SAME, 0) + same
    return kept, counts
