"""Options that several verbs take."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from synpic.errors import SynpicError

__all__ = ["AsJson", "Device", "Directory", "Only", "RetryFailed", "ShardOption", "chdir"]


def chdir(directory: str | None) -> str | None:
    """``-C DIR``: stand there, before anything else is looked at."""
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise SynpicError(
                f"-C {directory}: {error.strerror}", hint="name a folder that is there"
            ) from error
    return directory


def print_version(asked: bool) -> None:
    """``--version``."""
    if asked:
        from synpic import __version__

        typer.echo(f"synpic {__version__}")
        raise typer.Exit


Directory = Annotated[
    str | None,
    typer.Option(
        "-C", metavar="DIR", callback=chdir, is_eager=True, help="The workspace; here if not given."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[
    str | None,
    typer.Option(help="As torch names it: cuda:1, cpu, mps. The first accelerator if not given."),
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Do only the Ith of N equal shares of the work."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Take up again what failed before.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Only this one; may be given several times."),
]
