"""``synpic agree``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count
from synpic_cli.options import AsJson, Directory, Overwrite

if TYPE_CHECKING:
    from synpic.evaluate.agree import PeopleAgreement, QuestionAgreement


def agree(
    directory: Directory = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels",
            metavar="NAME",
            help='Labels to compare with: "ingested", or a study. All that are here, if not given.',
        ),
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Option("--question", metavar="NAME", help="A question that people answered."),
    ] = None,
    tie: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.49,
            help="People prefer neither image where their votes lie this close to one half.",
        ),
    ] = 0.0,
    by_models: Annotated[
        bool, typer.Option("--by-models", help="Apart for every two models, too.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="Write a row per pair, with what each reward made of it: .csv, .jsonl, .parquet.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Say how often each reward, and φ, prefer what people prefer."""
    from synpic.evaluate.agree import agree as agree_in
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, require_table_file, say, write_table

    if to is not None:
        require_table_file(to, overwrite=overwrite)
    found = agree_in(
        Workspace.open(), labels=labels, questions=question, tie=tie, by_models=by_models
    )
    if to is not None:
        write_table(found.pairs(), to, overwrite=overwrite)
    if as_json:
        print_json(found.as_dict())
        return
    _show(found)
    if to is not None:
        say()
        say(f"Wrote {to}.")


def _show(found: PeopleAgreement) -> None:
    from synpic_cli.output import say

    for nth, question in enumerate(found.questions):
        if nth:
            say()
        _show_question(question)
    say()
    if len(found.weights) > 1:
        weights = ", ".join(f"{name} × {weight:g}" for name, weight in found.weights.items())
        say(f"φ: {found.aggregation} of {weights}")
    say(
        "accuracy: share of pairs in which the judge prefers what most votes prefer; 0.5 is chance."
    )
    say("intervals: 95 %, clustered by prompt.")


def _show_question(question: QuestionAgreement) -> None:
    from synpic_cli.output import print_table, say

    counts = question.counts
    of_them = [f"{counts.judged:,} judged"]
    of_them += [f"{counts.ties:,} tied by people"] * bool(counts.ties)
    of_them += [f"{counts.unscored:,} without every score"] * bool(counts.unscored)
    say(
        f"labels {question.source} ({', '.join(question.kinds)}), question {question.question}: "
        f"{count(counts.pairs, 'pair')} of {count(counts.prompts, 'prompt')}; {', '.join(of_them)}"
    )
    if counts.absent:
        say(f"not here: an image of {count(counts.absent, 'further pair')}")
    rows: list[list[str | float | None]] = [
        [
            row.judge,
            "" if row.models is None else " – ".join(row.models),
            row.accuracy.value,
            _interval(row.accuracy.low, row.accuracy.high),
            row.accuracy.n,
            row.ties,
            ""
            if row.difference is None or row.difference.value is None
            else f"{row.difference.value:+.3f} "
            f"{_interval(row.difference.low, row.difference.high, '+.3f')}",
        ]
        for row in question.accuracies
    ]
    vote = question.one_vote
    if vote.value is not None:
        against = _interval(vote.low, vote.high)
        rows.append(["one vote with the others", "", vote.value, against, vote.n, "", ""])
    by_models = any(row.models is not None for row in question.accuracies)
    shown = [0, 1, 2, 3, 4, 5, 6] if by_models else [0, 2, 3, 4, 5, 6]
    if all(row.difference is None for row in question.accuracies):
        shown.remove(6)
    columns = ["judge", "models", "accuracy", "interval", "pairs", "ties", "difference from φ"]
    print_table([columns[at] for at in shown], [[row[at] for at in shown] for row in rows])


def _interval(low: float | None, high: float | None, form: str = ".3f") -> str:
    return "" if low is None or high is None else f"{low:{form}} … {high:{form}}"
