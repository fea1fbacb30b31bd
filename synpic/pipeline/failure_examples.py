"""Which images failed first in a run, and why: examples for its report."""

from __future__ import annotations

import os
from collections.abc import Sequence

import polars as pl

from synpic.engine.report import Report
from synpic.engine.task import Task
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Snapshot

__all__ = ["name_failures"]

_EXAMPLES = 3
"""How many failures a message names."""


def name_failures(report: Report, tasks: Sequence[Task], snapshot: Snapshot) -> None:
    """Say in each outcome which images failed first, by file or id, and why."""
    failed = {(one.name, one.size): one for one in report.outcomes if one.failed}
    if not failed:
        return
    reasons = snapshot.workspace.failures(report.stage)
    wanted = take_inventory(snapshot).wanted_candidates().select("candidate_id", "place").unique()
    for task in tasks:
        outcome = failed.get((task.name, task.size))
        if outcome is not None:
            new = pl.col("candidate_id").is_in([*task.failures.since()])
            rows = (
                reasons.filter(new & (pl.col("name") == task.name))
                .join(wanted, on="candidate_id", how="left")
                .select(pl.coalesce("place", "candidate_id").alias("image"), "reason")
                .sort("image")
            )
            outcome.examples = [
                f"{_shown(image, snapshot)}: {' '.join(reason.split())[:200]}"
                for image, reason in rows.head(_EXAMPLES).iter_rows()
            ]


def _shown(image: str, snapshot: Snapshot) -> str:
    """``image``, and where it leads if it is a link to a file of the user."""
    settings = snapshot.recipe.ingest
    if settings is None or settings.images is None:
        return image
    path = snapshot.workspace.folder / settings.images / image
    return f"{image} ({os.path.realpath(path)})" if path.is_symlink() else image
