"""What a run of generate or score says at its end, and what it would do."""

from __future__ import annotations

from synpic.counting import status
from synpic.engine.report import Report
from synpic.workspace import Workspace
from synpic_cli.output import print_table, say

__all__ = ["show_missing", "show_report"]


def show_report(report: Report) -> None:
    """A line for each model or reward; then, if anything is missing, what and why.

    Raises:
        Stopped, Unfinished: see :meth:`Report.raise_if_unfinished`.
    """
    columns = ["name", "wanted", "already done", "made", "failed", "left"]
    rows = [[o.name, o.wanted, o.already, o.made, o.failed, o.left] for o in report.outcomes]
    print_table(columns, rows)
    report.raise_if_unfinished()


def show_missing(workspace: Workspace, stage: str) -> None:
    """What a run of ``stage`` would do now."""
    counts = [count for count in status(workspace).counts if count.stage == stage]
    print_table(
        ["name", "wanted", "done", "failed", "missing"],
        [[c.name, c.wanted, c.done, c.failed, c.missing] for c in counts],
    )
    say(f"{sum(count.missing for count in counts):,} images to {stage}.")
