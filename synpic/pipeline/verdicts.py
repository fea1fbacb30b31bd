"""What the verdicts of a workspace's judges amount to, in a line, and where they look wrong."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from synpic.engine.task import Task
from synpic.pipeline.inventory import take_inventory
from synpic.readers.display import count
from synpic.workspace import Snapshot

__all__ = ["verdict_remarks", "verdict_warnings", "verdicts_described"]

_ENOUGH = 16
"""Images, all of them wrong, from which on a warning is due."""


def verdict_remarks(snapshot: Snapshot, tasks: Iterable[Task]) -> list[str]:
    """A line for each judge that has judged anything, and a warning where nothing is right.

    Verdicts on images that are wanted no longer, or are others by now, do not count.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    lines = []
    inventory = take_inventory(snapshot)
    there = inventory.judged(inventory.candidates()).select("candidate_id", "sha256")
    for task in tasks:
        rows = snapshot.workspace.verdicts(task.output.folder)
        rows = rows.join(there, on=there.columns, how="semi")
        if not rows.is_empty():
            lines += [
                f"{task.name}: {verdicts_described(rows)}",
                *verdict_warnings(task.name, rows),
            ]
    return lines


def verdicts_described(rows: pl.DataFrame) -> str:
    """How many of some verdicts are right, or their mean score.

    Args:
        rows: with the columns correct and score.
    """
    judged = rows["correct"].drop_nulls()
    if judged.len():
        right = int(judged.sum())
        return f"{right:,} of {count(judged.len(), 'image')} right ({right / judged.len():.1%})"
    scores = rows["score"].drop_nulls().cast(pl.Float64)
    mean = float(scores.to_numpy().mean())
    return f"mean score {mean:.3f} of {count(scores.len(), 'image')}"


def verdict_warnings(name: str, rows: pl.DataFrame) -> list[str]:
    """A warning where a judge calls none of many images right: it may well be so, or not."""
    right = pl.coalesce(pl.col("correct"), pl.col("score") > 0)
    if rows.height < _ENOUGH or rows.select(right.any()).item():
        return []
    return [
        f"warning: {name}: none of {count(rows.height, 'image')} is right: a weak model may be as "
        "bad as that, and so may a judge; read some reasons, and try `synpic check judge`"
    ]
