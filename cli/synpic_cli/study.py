"""``synpic study``: comparisons by people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic_cli.options import AsJson, Directory
from synpic_cli.study_exchange import export, import_, raters
from synpic_cli.study_options import NameOption, name_option, names_of, share_of
from synpic_cli.study_report import plan, report
from synpic_cli.summaries import WholeSummaries

if TYPE_CHECKING:
    from synpic.study.definition import Study

app = typer.Typer(
    cls=WholeSummaries,
    help="Have people compare images, two at a time, and count answers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        workspace.without_writing() if dry_run else workspace,
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
    if found.dropped:
        say(f"{count(found.dropped, 'image')} left out that [ranking] drop takes out.")
    if path is None:
        say("Nothing was written.")
    else:
        say(f"Written: {path}")
        say(f"Next: synpic study serve{name_option(name)}")


_BASIS = {
    "seed": "at equal seed",
    "prompt": "at equal prompt",
    "best-worst": "best against worst",
    "near": "nearest in φ",
}


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


app.command()(report)
app.command()(plan)
app.command()(export)
app.command("import")(import_)
app.command()(raters)
