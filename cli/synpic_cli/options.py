"""Options that several verbs take."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from synpic.errors import SynpicError

__all__ = [
    "AsJson",
    "ConfigOption",
    "Count",
    "DatasetOption",
    "Device",
    "Directory",
    "ImageColumns",
    "ImagesOption",
    "ModelColumns",
    "Only",
    "PromptColumn",
    "RetryFailed",
    "RevisionOption",
    "RewardNames",
    "ShardOption",
    "SplitOption",
    "chdir",
]


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

ImagesOption = Annotated[
    str | None,
    typer.Option(
        "--images",
        metavar="FOLDER",
        help="Images that exist already, with captions: a .txt beside each, or metadata.jsonl.",
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset", metavar="NAME", help="The same, in a dataset: on the Hub, or a folder."
    ),
]
RewardNames = Annotated[
    list[str] | None,
    typer.Option(
        "--reward",
        metavar="NAME",
        help="Score with this, for --images and --dataset; may be given several times.",
    ),
]
ConfigOption = Annotated[str | None, typer.Option("--config", help="Of the dataset.")]
RevisionOption = Annotated[
    str | None, typer.Option("--revision", help="Of the dataset: a branch, tag or commit.")
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="Of the dataset; train if not given.")
]
ImageColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--image-column",
        metavar="COLUMN",
        help="Holds images; may be given several times. A usual one if not given.",
    ),
]
PromptColumn = Annotated[
    str | None,
    typer.Option(
        "--prompt-column",
        metavar="COLUMN",
        help="Holds the prompt. The first of prompt, caption and text if not given.",
    ),
]
ModelColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--model-column",
        metavar="COLUMN",
        help="Says which model drew an image: one, or one for each --image-column.",
    ),
]
Count = Annotated[
    int | None,
    typer.Option("--count", min=1, help="Take the first so many images, or rows of the dataset."),
]
