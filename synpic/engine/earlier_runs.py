"""What earlier runs left of a model's candidates: those made, those that failed, those missing."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.engine.failures import FailureLog
from synpic.engine.writing import PartWatcher
from synpic.workspace import Workspace, tables

__all__ = ["EarlierRuns", "read_earlier_runs"]


@dataclass(frozen=True)
class EarlierRuns:
    """What is known of a model's candidates before a run makes more.

    Args:
        watcher: of the model's parts; it has read those that were there.
        made: candidate ids that parts hold.
        skipped: candidate ids that failed and are not tried again.
    """

    watcher: PartWatcher
    made: frozenset[str]
    skipped: frozenset[str]

    def missing_of(self, want: pl.DataFrame) -> pl.DataFrame:
        """The rows of ``want`` to work on; it has a column ``candidate_id``."""
        return want.filter(~pl.col("candidate_id").is_in([*self.made, *self.skipped]))

    def skipped_of(self, want: pl.DataFrame) -> int:
        """How many rows of ``want`` failed and are not tried again."""
        return want.filter(pl.col("candidate_id").is_in([*self.skipped])).height


def read_earlier_runs(
    workspace: Workspace, failures: FailureLog, folder: str, retry_failed: bool
) -> EarlierRuns:
    """Read the parts of a model in its ``folder``.

    Args:
        retry_failed: skip nothing.

    Raises:
        CorruptPart, NewerSchema, OlderSchema: naming a part that cannot be read.
    """
    watcher = PartWatcher(workspace, folder, tables.CANDIDATES)
    made = frozenset(row[0] for row in watcher.new_rows(["candidate_id"]))
    skipped = frozenset() if retry_failed else frozenset(failures.known) - made
    return EarlierRuns(watcher, made, skipped)
