"""``synpic study``: comparisons by people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.errors import SynpicError
from synpic_cli.options import AsJson, Directory

if TYPE_CHECKING:
    from synpic.study.definition import Study
    from synpic.study.report import StudyReport

app = typer.Typer(
    help="Have people compare images, two at a time, and count what they answer.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

NameOption = Annotated[str, typer.Option("--name", help="Of the study.")]


def share_of(text: str | float) -> float:
    """ "5%" or "0.05" as 0.05.

    Raises:
        SynpicError: it is no share.
    """
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)(%?)", str(text), re.ASCII)
    share = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= share <= 1:
        raise SynpicError(f"{text}: not a share", hint="write 5%, or 0.05")
    return share


def names_of(text: str) -> list[str]:
    """ "a, b" as ["a", "b"]."""
    return [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def new(
    directory: Directory = None,
    pairs: Annotated[int, typer.Option(min=1, help="How many comparisons.")] = 400,
    question: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="What is asked: these, or names from [study.questions.NAME]."
        ),
    ] = "overall,alignment,appeal",
    models: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Compare these with each other; all if not given."),
    ] = None,
    from_ranking: Annotated[
        bool,
        typer.Option(
            "--from-ranking",
            help="Compare the best with the worst of each prompt, and the two nearest in φ.",
        ),
    ] = False,
    name: NameOption = "study",
    repeats: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            parser=share_of,
            show_default="5%",
            help="Show this share of a rater's comparisons again, with sides swapped.",
        ),
    ] = 0.05,
    checks: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            parser=share_of,
            show_default="5%",
            help="Add this share in which one image belongs to another prompt.",
        ),
    ] = 0.05,
    per_rater: Annotated[
        int | None,
        typer.Option(min=1, help="Ask a rater at most this many; everything if not given."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides what is chosen.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked; write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Choose the comparisons of a new study: two images of one prompt, from one seed."""
    from synpic.readers.display import count
    from synpic.study.definition import write_study
    from synpic.study.new import StudyOptions, plan_study
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, say

    workspace = Workspace.open()
    found = plan_study(
        workspace,
        StudyOptions(
            name=name,
            pairs=pairs,
            questions=names_of(question),
            models=None if models is None else names_of(models),
            from_ranking=from_ranking,
            repeats=repeats,
            checks=checks,
            per_rater=per_rater,
            seed=seed,
        ),
    )
    path = None if dry_run else write_study(workspace, found.study)
    if as_json:
        print_json({**found.as_dict(), "written": None if path is None else str(path)})
        return
    study = found.study
    prompts = len({one.prompt_id for one in study.comparisons})
    kinds = ", ".join(f"{number} {_BASIS[basis]}" for basis, number in found.basis.items())
    say(
        f"{count(len(study.comparisons), 'comparison')} of {found.possible:,} possible, of "
        f"{count(prompts, 'prompt')}: {kinds}"
    )
    say(f"Models: {', '.join(study.models)}")
    for one in study.questions:
        say(f"Question {one.name}: {one.text}{'' if one.shows_prompt else ' (prompt hidden)'}")
    if study.checks and not study.check_comparisons:
        say("No checks: they need a question that shows the prompt, and two prompts.")
    if found.flagged:
        say(f"{count(found.flagged, 'flagged image')} left out.")
    if path is None:
        say("Nothing was written.")
    else:
        say(f"Written: {path}")
        say(f"Next: synpic study serve{_name_of(name)}")


_BASIS = {
    "seed": "at equal seed",
    "prompt": "at equal prompt",
    "best-worst": "best against worst",
    "near": "nearest in φ",
}


def _name_of(name: str) -> str:
    return "" if name == "study" else f" --name {name}"


@app.command()
def serve(
    directory: Directory = None,
    name: NameOption = "study",
    host: Annotated[
        str,
        typer.Option(
            help="Listen here: 0.0.0.0 for raters elsewhere. On another than loopback, the address "
            "gets a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Listen here; as before, or any free port, if not given."
        ),
    ] = None,
    reached_as: Annotated[
        list[str] | None,
        typer.Option(
            "--reached-as",
            metavar="NAME",
            help="A name under which raters reach this machine; may be given several times.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Serve the page in which raters answer, until Ctrl-C."""
    from synpic.web import require_extra

    require_extra("study")
    from synpic.study.serving import ServeOptions, serve
    from synpic.workspace import Workspace
    from synpic_cli.output import print_line, say
    from synpic_cli.stopping import remember

    def ready(address: str, study: Study) -> None:
        if as_json:
            print_line({"address": address, "name": study.name})
            return
        say("Send this address to the raters:")
        say(address)
        say("Ctrl-C ends it; the address stays the same.")

    options = ServeOptions(host=host, port=port, names=tuple(reached_as or ()))
    serve(Workspace.open(), name, options, on_ready=ready, on_signal=remember)


MinPassed = Annotated[
    float,
    typer.Option(
        "--min-passed",
        metavar="SHARE",
        parser=share_of,
        show_default="60%",
        help="Leave out a rater who passed a smaller share of three or more checks.",
    ),
]
MinMedian = Annotated[
    int,
    typer.Option(min=0, help="Leave out a rater whose median time is shorter, in milliseconds."),
]


@app.command()
def report(
    directory: Directory = None,
    name: NameOption = "study",
    min_passed: MinPassed = 0.6,
    min_median: MinMedian = 300,
    as_json: AsJson = False,
) -> None:
    """Say who wins how often, with intervals, and how far raters can be trusted."""
    from synpic.study.definition import open_study, votes_path
    from synpic.study.raters import RaterRule
    from synpic.study.report import make_report
    from synpic.workspace import Workspace
    from synpic.workspace.votes import read_votes
    from synpic_cli.output import print_json

    workspace = Workspace.open()
    study = open_study(workspace, name)
    votes = read_votes(votes_path(workspace, name))
    found = make_report(study, votes, RaterRule(passed=min_passed, fastest=min_median))
    if as_json:
        print_json(found.as_dict())
    else:
        _show_report(found)


def _show_report(found: StudyReport) -> None:
    from synpic.readers.display import count
    from synpic_cli.output import print_table, say

    counted = [one for one in found.raters if one.left_out is None]
    say(f"Study {found.name}: {count(found.votes, 'vote')} of {count(len(counted), 'rater')}")
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
    say(f"Checks passed: {str(found.passed) or none}")
    if found.seconds is not None:
        say(f"Median time of an answer: {found.seconds:.1f} s")
    out = [one for one in found.raters if one.left_out is not None]
    say(f"Raters left out ({found.rule}): {len(out) or 'none'}")
    for one in out:
        say(f"  {one.rater}: {one.left_out}")
    say("Intervals: 95 %; those of win rates and α clustered by prompt. A tie is half a win.")


@app.command()
def plan(
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
        int, typer.Option(min=1, help="Pairs of models, each with an interval of its own.")
    ] = 1,
    seconds: Annotated[float, typer.Option(min=0.1, help="That an answer takes.")] = 6.0,
    as_json: AsJson = False,
) -> None:
    """Say how many comparisons a win rate takes; needs no workspace."""
    from synpic.readers.display import count, duration
    from synpic.study.forecast import StudySize, forecast_study
    from synpic_cli.output import print_json, say

    found = forecast_study(
        StudySize(
            half_width=half_width / 100,
            raters_per_pair=raters_per_pair,
            correlation=correlation,
            model_pairs=model_pairs,
            seconds=seconds,
        )
    )
    if as_json:
        print_json(found.as_dict())
        return
    say(
        f"± {half_width:g} points: {count(found.votes, 'vote')} on {count(found.pairs, 'pair')} of "
        "images for each pair of models and question"
    )
    say(
        f"With 5 % repeats and 5 % checks, for {count(model_pairs, 'pair')} of models: "
        f"{count(found.answers, 'answer')}, {duration(found.hours * 3600)} at {seconds:g} s each"
    )
    seen = ", ".join(f"{float(one):.1%} {votes:,}" for one, votes in found.to_see.items())
    say(f"Votes that show a win rate is not 50 %, in 80 of 100 studies: {seen}")
    say(f"Next: synpic study new --pairs {found.pairs * model_pairs}")
