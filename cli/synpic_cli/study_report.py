"""``synpic study report`` and ``plan``: what a study found, and how large one has to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.errors import SynpicError
from synpic_cli.options import AsJson, Directory, Overwrite
from synpic_cli.study_options import MinMedian, MinPassed, NameOption, names_of

if TYPE_CHECKING:
    from synpic.study.forecast import PairsHere, StudyForecast
    from synpic.study.report import StudyReport

__all__ = ["plan", "report"]

_QUESTIONS = "overall,alignment,appeal"


def report(
    directory: Directory = None,
    name: NameOption = "study",
    min_passed: MinPassed = 0.6,
    min_median: MinMedian = 300,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE.html",
            help="Write a page with the intervals drawn, and how far each reward agrees.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Say who wins how often, with intervals, and how far raters can be trusted."""
    from synpic.study.definition import open_study
    from synpic.study.own_votes import read_votes_of
    from synpic.study.raters import RaterRule
    from synpic.study.report import make_report
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, say, write_whole

    if to is not None:
        _require_page(to, overwrite)
    workspace = Workspace.open()
    study = open_study(workspace, name)
    votes = read_votes_of(workspace, study)
    rule = RaterRule(passed=min_passed, fastest=min_median)
    found = make_report(study, votes, rule)
    if to is not None:
        from synpic.study.report_page import judges_of, report_page

        page = report_page(found, judges_of(workspace, study, votes, rule)).encode()
        write_whole(to, lambda stream: stream.write(page))
    if as_json:
        print_json(found.as_dict())
        return
    _show_report(found)
    if to is not None:
        say(f"Wrote {to}: open it in a browser.")


def _require_page(to: Path, overwrite: bool) -> None:
    if to.suffix != ".html":
        raise SynpicError(f"--to {to}: unknown kind of file", hint="name it .html")
    if not overwrite and to.exists():
        raise SynpicError(
            f"--to {to}: it is there already", hint="name another file, or add --overwrite"
        )


def _show_report(found: StudyReport) -> None:
    from synpic.readers.display import count
    from synpic_cli.output import print_table, say

    counted = [one for one in found.raters if one.left_out is None]
    say(f"Study {found.name!r}: {count(found.votes, 'vote')} of {count(len(counted), 'rater')}")
    for question in found.questions:
        say()
        say(f"{question.name}: {question.text}")
        columns = ["model", "against", "win rate", "wins", "losses", "ties", "both bad", "skipped"]
        print_table(
            [*columns, "prompts"],
            [
                [
                    *(one.first, one.second, str(one.win_rate), one.wins, one.losses, one.ties),
                    *(one.both_bad, one.skipped, one.win_rate.clusters),
                ]
                for one in question.pairs
            ],
        )
        if question.same_model:
            say(f"{count(question.same_model, 'vote')} on two images of one model: in no win rate.")
        if question.ratings:
            ratings = sorted(question.ratings.items(), key=lambda one: -one[1])
            say("Bradley–Terry: " + ", ".join(f"{name} {rating:.0f}" for name, rating in ratings))
        say(f"Krippendorff's α between raters: {str(question.alpha) or 'no pair has two votes'}")
    say()
    none = "none answered"
    say(f"Left image taken (0.5 is no bias to a side): {str(found.left_side) or none}")
    say(f"Repeats with sides swapped, answered the same: {str(found.repeated) or none}")
    bad = found.both_bad_checks
    also = f'; {count(bad, "other")} answered "both bad", which counts neither way' if bad else ""
    say(f"Checks passed: {str(found.passed) or none}{also}")
    if found.seconds is not None:
        say(f"Median time of an answer: {found.seconds:.1f} s")
    out = [one for one in found.raters if one.left_out is not None]
    say(f"Raters left out ({found.rule}): {len(out) or 'none'}")
    for one in out:
        say(f"  {one.rater}: {one.left_out}")
    say("Intervals: 95 %; those of win rates and α clustered by prompt. A tie is half a win.")


def plan(
    directory: Directory = None,
    half_width: Annotated[
        float,
        typer.Option(min=0.1, max=50, help="Of the interval of a win rate, in percentage points."),
    ] = 3.0,
    raters_per_pair: Annotated[int, typer.Option(min=1, help="Votes on each pair of images.")] = 1,
    correlation: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Of votes on one pair; 0 if they do not follow the images at all."
        ),
    ] = 0.3,
    model_pairs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pairs of models, each with an interval of its own; those of the workspace, or 1, "
            "if not given.",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Of the workspace: compare these; all if not given."),
    ] = None,
    question: Annotated[
        str, typer.Option(metavar="A,B", help="What is asked about each pair, as of `new`.")
    ] = _QUESTIONS,
    seconds: Annotated[float, typer.Option(min=0.1, help="That an answer takes.")] = 6.0,
    as_json: AsJson = False,
) -> None:
    """Say how many comparisons a win rate takes, and whether the workspace has them."""
    from synpic.study.forecast import StudySize, forecast_study
    from synpic_cli.output import print_json

    chosen = None if models is None else names_of(models)
    questions = names_of(question)
    if not questions:
        raise SynpicError("--question: none is named", hint=f"as of `new`: {_QUESTIONS}")
    here, remark = _pairs_here(directory is not None, chosen, questions)
    size = StudySize(
        half_width=half_width / 100,
        raters_per_pair=raters_per_pair,
        correlation=correlation,
        model_pairs=model_pairs or (here.models if here else 1),
        questions=len(questions),
        seconds=seconds,
    )
    found = forecast_study(size)
    if as_json:
        reached = here and here.half_width(raters_per_pair, correlation)
        print_json({**found.as_dict(), "here": here and {**here.as_dict(), "half_width": reached}})
        return
    _show_plan(found, here, remark, question)


def _pairs_here(
    named: bool, models: list[str] | None, questions: list[str]
) -> tuple[PairsHere | None, str | None]:
    """What the workspace has to compare, or why nothing; neither where there is no workspace.

    Args:
        named: whether a folder was named, which then has to be one.
        models, questions: as they were named.
    """
    from synpic.errors import WorkspaceError
    from synpic.study.forecast import count_pairs
    from synpic.study.questions import find_questions
    from synpic.workspace import RECIPE, Workspace

    if not named and models is None and not Path(RECIPE).exists():
        return None, None
    workspace = Workspace.open().without_writing()
    find_questions(questions, workspace.snapshot().recipe)
    try:
        return count_pairs(workspace, models), None
    except WorkspaceError as error:
        if models is not None:
            raise
        return None, error.message


def _show_plan(
    found: StudyForecast, here: PairsHere | None, remark: str | None, question: str
) -> None:
    from synpic.readers.display import count, duration
    from synpic_cli.output import say

    size = found.size
    say(
        f"± {100 * size.half_width:g} points: {count(found.votes, 'vote')} on "
        f"{count(found.pairs, 'pair')} of images for each pair of models and question"
    )
    say(
        f"With 5 % repeats and 5 % checks, for {count(size.model_pairs, 'pair')} of models and "
        f"{count(size.questions, 'question')}: {count(found.answers, 'answer')}, "
        f"{duration(found.hours * 3600)} at {size.seconds:g} s each"
    )
    seen = ", ".join(f"{float(one):.1%} {votes:,}" for one, votes in found.to_see.items())
    say(f"Votes that show a win rate is not 50 %, in 80 of 100 studies: {seen}")
    pairs = found.pairs * size.model_pairs
    if remark is not None:
        say(f"Here: {remark}")
    elif here is not None:
        _show_pairs_here(found, here)
        pairs = min(pairs, here.pairs)
    if pairs:
        asked = "" if question == _QUESTIONS else f" --question {question}"
        say(f"Next: synpic study new --pairs {pairs}{asked}")


def _show_pairs_here(found: StudyForecast, here: PairsHere) -> None:
    from synpic.readers.display import count
    from synpic_cli.output import say

    size = found.size
    same = "at equal prompt and seed"
    if here.seeded < here.pairs:
        same = f"at equal prompt, {here.seeded:,} at equal seed too"
    say(
        f"Here: {count(here.pairs, 'pair')} of images {same}, of {count(here.prompts, 'prompt')} "
        f"and {count(here.models, 'pair')} of models"
    )
    reached = here.half_width(size.raters_per_pair, size.correlation)
    if reached is None:
        say("  Two of the models have no images to compare: draw the same prompts with both.")
    elif reached > size.half_width:
        votes = f"{count(size.raters_per_pair, 'vote')} on each of {here.fewest_pairs:,}"
        raters = here.raters_for(size.half_width, size.correlation)
        more = (
            f"--raters-per-pair {raters} gives ± {100 * size.half_width:g}"
            if raters
            else "more votes on them do not give what is asked for: draw more prompts"
        )
        say(f"  They are too few: {votes} give ± {100 * reached:.1f} points; {more}.")
