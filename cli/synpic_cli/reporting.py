"""What a run of generate or score says at its end, and what it would do."""

from __future__ import annotations

from collections.abc import Sequence

from synpic.engine.report import Outcome, Report
from synpic.engine.task import Task
from synpic_cli.output import print_table, say

__all__ = ["show_report", "show_tasks"]


def show_report(report: Report) -> None:
    """A line for each model or reward; then, if anything is missing, what and why.

    Raises:
        Stopped, Unfinished: see :meth:`Report.raise_if_unfinished`.
    """
    columns = ["name", "wanted", "already done", "made", "failed", "left"]
    rows = [[o.name, o.wanted, o.already, o.made, o.failed, o.left] for o in report.outcomes]
    print_table(columns, rows)
    report.raise_if_unfinished()


def show_tasks(tasks: Sequence[Task], broken: Sequence[Outcome], what: str) -> None:
    """What a run would do now."""
    print_table(
        ["name", "wanted", "already done", "to do"],
        [[task.name, task.wanted, task.already, len(task.todo)] for task in tasks],
    )
    for outcome in broken:
        say(f"{outcome.name}: {outcome.broken}")
    say(f"{sum(len(task.todo) for task in tasks):,} {what}.")
