"""``synpic study export``, ``import`` and ``raters``: what leaves a study, and what comes in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.errors import SynpicError
from synpic_cli.options import AsJson, Directory, Overwrite
from synpic_cli.study_options import MinMedian, MinPassed, NameOption, name_option

if TYPE_CHECKING:
    from synpic.study.definition import Study
    from synpic.study.exchange.labels import WrittenLabels
    from synpic.study.raters import RaterRule
    from synpic.workspace import Workspace

__all__ = ["export", "import_", "raters"]


def export(
    directory: Directory = None,
    name: NameOption = "study",
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="labels|argilla|rapidata",
            help="Labels of this workspace, datasets that Argilla imports, or images and orders "
            "for Rapidata.",
        ),
    ] = "labels",
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A new folder, for argilla and rapidata."),
    ] = None,
    min_passed: MinPassed = 0.6,
    min_median: MinMedian = 300,
    as_json: AsJson = False,
) -> None:
    """Write votes as labels, or comparisons for others to be answered there."""
    from synpic.readers.display import count
    from synpic.study.definition import open_study
    from synpic.study.exchange.argilla import export_argilla
    from synpic.study.exchange.labels import export_labels
    from synpic.study.exchange.rapidata import export_rapidata
    from synpic.study.raters import RaterRule
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, say

    writers = {"argilla": export_argilla, "rapidata": export_rapidata}
    if to != "labels" and to not in writers:
        raise SynpicError(f"--to {to}: unknown", hint="write labels, argilla or rapidata")
    if (folder is None) != (to == "labels"):
        wanted = "a new folder has to be named" if folder is None else "no folder is written"
        raise SynpicError(f"--to {to}: {wanted}", hint="synpic study export --to argilla DIR")
    workspace = Workspace.open()
    study = open_study(workspace, name)
    if folder is None:
        rule = RaterRule(passed=min_passed, fastest=min_median)
        _show_labels(export_labels(workspace, study, rule), as_json)
        return
    written = writers[to](workspace, study, folder)
    if as_json:
        print_json({"folder": str(folder), "comparisons": written})
    else:
        say(f"Wrote {count(written, 'comparison')} into {folder}")
        say(f"When they are answered: synpic study import FILE{name_option(name)}")


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="records.json of an Argilla dataset, or results of a Rapidata order."),
    ],
    directory: Directory = None,
    name: NameOption = "study",
    question: Annotated[
        str | None,
        typer.Option(help="Of a Rapidata order; the study's only one if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read answers to an exported study, and write them as labels of the workspace."""
    from synpic.study.definition import open_study
    from synpic.study.exchange.imported import import_answers
    from synpic.workspace import Workspace

    workspace = Workspace.open()
    study = open_study(workspace, name)
    _show_labels(import_answers(workspace, study, file, question), as_json)


def _show_labels(written: WrittenLabels, as_json: bool) -> None:
    from dataclasses import asdict

    from synpic.readers.display import count
    from synpic_cli.output import print_json, say

    if as_json:
        print_json(asdict(written))
        return
    out = f"; {count(written.left_out, 'rater')} left out" if written.left_out else ""
    raters = f" of {count(written.raters, 'rater')}" if written.raters else ""
    say(f"{count(written.labels, 'label')}{raters}, called {written.source!r}{out}")
    if written.kept:
        say(f"{count(written.kept, 'label')} of other questions stay")
    if written.removed:
        say(f"{count(written.removed, 'earlier label')} removed: no answer counts in their place.")
    elif not written.labels:
        say("Nothing was written: no answer counts.")
    if written.labels or written.kept:
        say(f"Next: synpic agree --labels {written.source}")


def raters(
    directory: Directory = None,
    name: NameOption = "study",
    export: Annotated[
        str | None,
        typer.Option("--export", metavar="RATER", help="Write the votes of this one; with --to."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="With --export: .csv, .jsonl or .parquet."),
    ] = None,
    delete: Annotated[
        str | None,
        typer.Option("--delete", metavar="RATER", help="Delete all that is kept of this one."),
    ] = None,
    overwrite: Overwrite = False,
    min_passed: MinPassed = 0.6,
    min_median: MinMedian = 300,
    as_json: AsJson = False,
) -> None:
    """List the raters of a study; write out, or delete, what is kept of one."""
    from synpic.study.definition import open_study
    from synpic.study.keeping import delete_rater, votes_of_rater
    from synpic.study.raters import RaterRule
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, require_table_file, say, write_table

    workspace = Workspace.open()
    study = open_study(workspace, name)
    if export is not None and delete is not None:
        raise SynpicError("--export and --delete: one at a time", hint="export first")
    if (export is None) != (to is None):
        raise SynpicError("--export RATER and --to FILE belong together", hint="name both")
    if export is not None and to is not None:
        require_table_file(to, overwrite=overwrite)
        rows = votes_of_rater(workspace, study, export)
        write_table(rows, to, overwrite=overwrite)
        done = {"rater": export, "votes": rows.height, "file": str(to)}
        print_json(done) if as_json else say(f"Wrote {rows.height} votes into {to}")
    elif delete is not None:
        count = delete_rater(workspace, study, delete)
        done = {"rater": delete, "deleted": count}
        if as_json:
            print_json(done)
        else:
            say(f"Deleted {count} votes of {delete}.")
            say("Labels that were exported before still have them: export again.")
    else:
        rule = RaterRule(passed=min_passed, fastest=min_median)
        _list_raters(workspace, study, rule, as_json)


def _list_raters(workspace: Workspace, study: Study, rule: RaterRule, as_json: bool) -> None:
    from synpic.study.choices import choices_of
    from synpic.study.own_votes import read_votes_of
    from synpic.study.raters import left_out, look_at_raters
    from synpic_cli.output import print_json, print_table, say

    votes = read_votes_of(workspace, study)
    found = look_at_raters(choices_of(study, votes), rule)
    if as_json:
        print_json([one.as_dict() for one in found])
        return
    columns = ["rater", "votes", "checks", "passed", "both bad", "repeats", "same", "ms"]
    rows = [
        [
            *(one.rater, one.votes, one.checks, one.passed, one.both_bad),
            *(one.repeats, one.repeated),
            *(None if one.median is None else round(one.median), one.left_out),
        ]
        for one in found
    ]
    print_table([*columns, "left out"], rows)
    say(f"Left out ({rule}): {len(left_out(found)) or 'none'}")
    if any(one.both_bad for one in found):
        say('Checks answered "both bad" are none of "checks": they count neither way.')
