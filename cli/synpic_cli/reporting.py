"""What a run of generate or score says at its end, and what it would do."""

from __future__ import annotations

import time
from collections.abc import Sequence

from synpic.engine.report import Outcome, Report
from synpic.engine.task import Task
from synpic.readers.display import count, number, size
from synpic.score.forecast import Fetch
from synpic.score.forecast_questions import QuestionForecast
from synpic_cli.output import print_line, print_table, say

__all__ = ["prompts_line", "show_fetches", "show_questions", "show_report", "show_tasks"]


def prompts_line(prompts: int, empty: int, duplicates: int, sharing: int | None) -> str:
    """How many prompts there are, and of what.

    Args:
        sharing: of ingested images, those that have a prompt that another has too; None where
            prompts were read from a source of their own.
    """
    read = prompts + empty + duplicates
    if sharing is None:
        return (
            f"{count(prompts, 'prompt')} of {read:,} ({count(duplicates, 'duplicate')}, "
            f"{empty:,} empty left out)"
        )
    return (
        f"{count(prompts, 'prompt')} of {count(read, 'image')}: {sharing:,} share a prompt with "
        f"another, {empty:,} without a caption"
    )


def show_report(report: Report, as_json: bool = False) -> None:
    """A line for each model or reward; what failed before; and, if anything is missing, why.

    Args:
        as_json: instead of the lines, the last object of :func:`watched_work`.

    Raises:
        Stopped, Unfinished: see :meth:`Report.raise_if_unfinished`.
    """
    if as_json:
        print_line({"time": round(time.time(), 3), "state": "end", **report.as_dict()})
        report.raise_if_unfinished()
        return
    columns = ["name", "wanted", "already done", "made", "failed", "left"]
    rows = [[o.label, o.wanted, o.already, o.made, o.failed, o.left] for o in report.outcomes]
    if any(outcome.by_others for outcome in report.outcomes):
        columns.insert(4, "by others")
        for row, outcome in zip(rows, report.outcomes, strict=True):
            row.insert(4, outcome.by_others)
    print_table(columns, rows)
    failed = [(one.label, one.failed_before) for one in report.outcomes if one.failed_before]
    if failed:
        say(
            f"Failed before: {', '.join(f'{label} {number:,}' for label, number in failed)}; "
            "`synpic status` tells why, --retry-failed tries them again."
        )
    for remark in report.remarks:
        say(remark)
    report.raise_if_unfinished()


def show_tasks(
    tasks: Sequence[Task], broken: Sequence[Outcome], what: str, as_json: bool = False
) -> None:
    """What a run would do now."""
    if as_json:
        rows = [
            {
                "name": task.name,
                "size": task.size,
                "wanted": task.counts.wanted,
                "already": task.counts.already,
                "failed_before": task.counts.failed_before,
                "to_do": len(task.todo),
            }
            for task in tasks
        ]
        print_line({"tasks": rows, "broken": [outcome.as_dict() for outcome in broken]})
        return
    print_table(
        ["name", "wanted", "already done", "to do"],
        [[task.label, task.counts.wanted, task.counts.already, len(task.todo)] for task in tasks],
    )
    for outcome in broken:
        say(f"{outcome.label}: {outcome.broken}")
    say(f"{sum(len(task.todo) for task in tasks):,} {what}.")


def show_fetches(fetches: Sequence[Fetch], as_json: bool = False) -> None:
    """What a run would download first."""
    if not fetches:
        return
    if as_json:
        print_line({"fetches": [vars(fetch) for fetch in fetches]})
        return
    print_table(
        ["repository", "commit", "read by", "to fetch"],
        [[f.repository, f.commit[:8], ", ".join(f.rewards), _to_fetch(f)] for f in fetches],
    )
    known = sum(fetch.bytes or 0 for fetch in fetches)
    unknown = any(fetch.bytes is None for fetch in fetches)
    say(f"{size(known)} to fetch{', and what is unknown' if unknown else ''}.")


def show_questions(asked: Sequence[QuestionForecast], as_json: bool = False) -> None:
    """What a run would ask of endpoints."""
    if not asked:
        return
    if as_json:
        print_line({"questions": [vars(one) for one in asked]})
        return
    for one in asked:
        say(
            f"{one.reward} asks {one.model} at an endpoint: {count(one.questions, 'question')} at "
            f"most, about {size(one.bytes)} to send, about {number(one.tokens)} tokens."
        )


def _to_fetch(fetch: Fetch) -> str:
    if fetch.bytes is None:
        return f"unknown: {fetch.why_unknown}"
    if not fetch.files:
        return "nothing: it is in the cache"
    return f"{size(fetch.bytes)}: {', '.join(fetch.files)}"
