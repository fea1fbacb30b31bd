"""``synpic eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic_cli.options import AsJson, Directory

if TYPE_CHECKING:
    from synpic.evaluate.evaluation import Evaluation

__all__ = ["evaluate"]


def evaluate(
    directory: Directory = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Compare with this model; the recipe's first if not given."
        ),
    ] = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(
            "--reward",
            metavar="NAME",
            help="Only by this reward; may be given several times. All that scored, if not given.",
        ),
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Apart by this column of the prompts, without its meta_."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Write report.md and report.json there."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the report that --to names, if it is there."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare models on the same prompts and seeds, by the rewards that scored their images."""
    from synpic.evaluate.evaluation import evaluate_models
    from synpic.evaluate.report import require_room, write_report
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, say

    if to is not None:
        require_room(to, overwrite=overwrite)
    found = evaluate_models(Workspace.open(), base=base, rewards=reward, tag=tag)
    if to is not None:
        write_report(found, to)
    if as_json:
        print_json(found.as_dict())
        return
    _show(found)
    if to is not None:
        say()
        say(f"Wrote {to / 'report.md'} and report.json.")


def _show(found: Evaluation) -> None:
    from synpic.evaluate.tables import conclusion, differences, footnotes, means, opening
    from synpic_cli.output import print_table, say

    say(opening(found))
    for model in found.models:
        if model != found.base:
            say(conclusion(found, model))
    for table in (differences(found), means(found)):
        say()
        print_table(table.columns, table.rows)
    say()
    for line in footnotes(found):
        say(line)
