"""``synpic``: collects the commands and prints errors.

Nothing heavy is imported here or at the top of a verb's module: ``synpic --help`` costs typer alone
(and no rich, which would triple it: hence plain help texts).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from synpic.engine.threads import settle
from synpic.errors import Stopped, SynpicError, causes
from synpic_cli import (
    agree,
    check,
    demo,
    diff,
    env,
    export,
    generate,
    listing,
    merge,
    plan,
    publish,
    rank,
    remake,
    repair,
    rerank,
    score,
    serve,
    status,
    study,
    train,
    validate,
    verify,
    versions,
    view,
)
from synpic_cli import eval as eval_
from synpic_cli import init as init_
from synpic_cli.looking import remember_folder
from synpic_cli.options import chdir, print_version
from synpic_cli.streams import OutputLost, ReaderGone, prepare_streams
from synpic_cli.summaries import WholeSummaries

__all__ = ["app", "run"]

app = typer.Typer(
    name="synpic",
    cls=WholeSummaries,
    help="Make preference datasets for text-to-image models: generate, score, rank, publish.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _synpic(
    directory: Annotated[
        str | None,
        typer.Option(
            "-C", metavar="DIR", callback=chdir, is_eager=True, help="Work in DIR, as git does."
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


COMMANDS: dict[str, dict[str, Any]] = {
    "Make": {
        "init": init_.init,
        "validate": validate.validate,
        "plan": plan.plan,
        "generate": generate.generate,
        "score": score.score,
        "rank": rank.rank,
    },
    "Look": {"view": view.view, "agree": agree.agree},
    "Label": {"study": study.app},
    "Release": {
        "publish": publish.publish,
        "export": export.export,
        "versions": versions.versions,
        "diff": diff.diff,
        "verify": verify.verify,
        "re-rank": rerank.rerank,
        "remake": remake.remake,
    },
    "Train": {"train": train.train, "serve": serve.serve},
    "Evaluate": {"eval": eval_.evaluate},
    "Care": {
        "status": status.status,
        "repair": repair.repair,
        "merge": merge.merge,
        "list": listing.app,
        "check": check.app,
        "env": env.env,
        "demo": demo.demo,
    },
}
"""Heading → name → a command, or a group of them."""

for heading, named in COMMANDS.items():
    for name, command in named.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=heading)
        else:
            app.command(name, rich_help_panel=heading)(command)


def run() -> None:
    """The entry point: a user's mistake is one message and an exit code, never a traceback."""
    # A reward or family of one's own may lie beside the recipe; installed packages come first.
    sys.path.append("")
    settle()
    remember_folder()
    prepare_streams()
    code, at_once = 0, False
    try:
        try:
            app()
        except SystemExit as ended:
            if any(isinstance(one, KeyboardInterrupt) for one in causes(ended)):
                at_once = True
                raise _interrupted() from None
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        sys.stdout.flush()
    except ReaderGone as error:
        code = error.exit_code
    except SynpicError as error:
        from synpic_cli.output import show_error

        show_error(error)
        code = error.exit_code
        if isinstance(error, Stopped):
            from synpic_cli.stopping import exit_code_of_stop

            code = exit_code_of_stop()
        if at_once:
            # What was interrupted may have left threads that wait for a network.
            with suppress(OutputLost):
                sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def _interrupted() -> Stopped:
    return Stopped(
        "stopped at once", hint="what was finished before is kept; run it again to go on"
    )
