"""``synpic diff`` of two evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synpic.errors import EvaluationError
from synpic.readers.display import count

if TYPE_CHECKING:
    from synpic.evaluate.diff_evaluations import EvaluationDiff, ResultChange
    from synpic.evaluate.intervals import Estimate
    from synpic.workspace.evaluations import (
        RecordedEstimate,
        RecordedEvaluation,
        RecordedResult,
    )

__all__ = ["are_evaluations", "diff_two_evaluations"]

_PAIRED = (
    "new − old: how much more the model has now, paired by prompt and image, with an interval of "
    "95 % by bootstrap over prompts. p: sign flips, not corrected."
)


def are_evaluations(old: str, new: str) -> bool:
    """Whether both names are of evaluations.

    Raises:
        EvaluationError: one alone is.
    """
    from synpic.workspace.evaluations import holds_evaluation

    held = [holds_evaluation(Path(name).expanduser()) for name in (old, new)]
    if any(held) and not all(held):
        one, other = (old, new) if held[0] else (new, old)
        raise EvaluationError(
            f"{one} is an evaluation, and {other} is none",
            hint="name two evaluations (report folders, or workspaces that `synpic eval` read), or "
            "two releases",
        )
    return all(held)


def diff_two_evaluations(old: str, new: str, *, as_json: bool) -> None:
    """Print what differs between the evaluations at ``old`` and ``new``."""
    from synpic.evaluate.diff_evaluations import diff_evaluations
    from synpic.workspace.evaluation_values import read_values
    from synpic.workspace.evaluations import read_evaluation
    from synpic_cli.output import print_json, say

    places = [Path(name).expanduser() for name in (old, new)]
    before, after = (read_evaluation(place) for place in places)
    values = [read_values(*one) for one in zip(places, (before, after), strict=True)]
    found = diff_evaluations(before, after, *values)
    if as_json:
        print_json({"old": old, "new": new, **found.as_dict()})
        return
    for name, place, one in (("old", old, before), ("new", new, after)):
        say(f"{name}: {place}: {_opening(one)}")
    if found.same:
        say("No difference: both say the same of the same models.")
        return
    _show(found)


def _opening(found: RecordedEvaluation) -> str:
    asked = f"{count(found.prompts, 'prompt')}, base {found.base}"
    suite = found.suite
    return f"{suite.name} {suite.version[:8]}, {asked}" if suite else asked


def _show(found: EvaluationDiff) -> None:
    from synpic_cli.output import say

    for model in found.models:
        if model.old is None or model.new is None:
            say(f"{model.name} is only in the {'old' if model.new is None else 'new'} one")
        elif model.redrawn:
            say(f"{model.name}: other weights or settings")
    say()
    if any(one.paired for measure in found.measures for one in measure.results):
        _show_table(found, ["new − old", "p"], _paired_cells)
        remarks = [
            *_incomparable(found, "Differences from the base are not", "They differ"),
            _PAIRED,
        ]
    else:
        _show_table(found, ["change"], _change_cells)
        remarks = [*_incomparable(found, "Not", "Not comparable"), *_of_change(found)]
    say()
    for line in remarks:
        say(line)


def _show_table(
    found: EvaluationDiff, last: Sequence[str], cells: Callable[[ResultChange], list[str]]
) -> None:
    """Print a row for each result; ``cells`` fills the columns ``last``."""
    from synpic_cli.output import print_table

    columns = ["metric", "trail", "model", "tag", "old", "new", "difference, old", "new", *last]
    rows = [
        [
            *(measure.metric, _trail(one), one.model, one.tag),
            *(_mean(one.old), _mean(one.new), _difference(one.old), _difference(one.new)),
            *cells(one),
        ]
        for measure in found.measures
        for one in measure.results
    ]
    if len({row[3] for row in rows}) < 2:
        columns.remove("tag")
        rows = [[*row[:3], *row[4:]] for row in rows]
    print_table(columns, rows)


def _trail(one: ResultChange) -> str:
    trails = dict.fromkeys(row.trail for row in (one.old, one.new) if row is not None)
    return " → ".join(trails)


def _paired_cells(one: ResultChange) -> list[str]:
    return ["", ""] if one.paired is None else [_signed(one.paired.mean), f"{one.paired.p:.4f}"]


def _change_cells(one: ResultChange) -> list[str]:
    return ["" if one.change is None else _signed(one.change)]


def _mean(row: RecordedResult | None) -> str:
    return "" if row is None or row.mean.value is None else f"{row.mean.value:.4g}"


def _difference(row: RecordedResult | None) -> str:
    return "" if row is None or row.difference is None else _signed(row.difference.mean)


def _signed(estimate: Estimate | RecordedEstimate) -> str:
    if estimate.value is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.4g}"
    return f"{estimate.value:+.4g} ({estimate.low:+.4g} … {estimate.high:+.4g})"


def _incomparable(found: EvaluationDiff, nothing: str, row: str) -> Iterator[str]:
    """Why numbers are not comparable: ``nothing`` of them, or a ``row`` of the table."""
    for reason in found.reasons:
        yield f"{nothing} comparable: {reason}."
    for measure in found.measures:
        for reason in measure.reasons:
            yield f"Not comparable by {measure.metric}: {reason}."
        for text, tags in _of_rows(measure.results).items():
            where = "" if "overall" in tags else f", {', '.join(tags)}"
            yield f"{row} by {measure.metric}{where}: {text}."


def _of_change(found: EvaluationDiff) -> Iterator[str]:
    """Why the change is not paired, and what it is."""
    for reason in found.unpaired:
        if reason not in found.reasons:
            yield f"Not paired by prompt: {reason}."
    if any(one.change for measure in found.measures for one in measure.results):
        yield (
            "change: how much more the difference from the base is now. Its interval of 95 % takes "
            "the two evaluations as independent."
        )


def _of_rows(results: Sequence[ResultChange]) -> dict[str, list[str]]:
    """A reason, with the model that it is of → tags for which it holds."""
    found: dict[str, list[str]] = {}
    for one in results:
        for reason in one.reasons:
            found.setdefault(f"{one.model}, {reason}", []).append(one.tag)
    return found
