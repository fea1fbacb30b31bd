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
    "Devices",
    "Directory",
    "EngineOption",
    "EventsAsJson",
    "GpusPerWorker",
    "ImageColumns",
    "ImagesOption",
    "LeaveOutFlagged",
    "ModelColumns",
    "Only",
    "PromptColumn",
    "RetryFailed",
    "RevisionOption",
    "RewardNames",
    "ShardOption",
    "SplitOption",
    "Workers",
    "chdir",
    "print_version",
    "refuse_address",
]


def chdir(directory: str | None) -> str | None:
    """``-C DIR``: stand there, before anything else is looked at."""
    if directory is not None:
        refuse_address("-C", directory)
        try:
            os.chdir(directory)
        except OSError as error:
            raise SynpicError(
                f"-C {directory}: {error.strerror}", hint="name a folder that is there"
            ) from error
    return directory


def refuse_address(option: str, directory: str) -> None:
    """Say so where a workspace is no folder: a command stands in the one it works on.

    Raises:
        SynpicError: ``directory`` is an address.
    """
    if "://" in directory:
        raise SynpicError(
            f"{option} {directory}: commands work in folders, and that is an address",
            hint=f'mount it; or use Python: synpic.Workspace.open("{directory}")',
        )


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
EventsAsJson = Annotated[
    bool, typer.Option("--json", help="Print progress and the report as JSON, an object a line.")
]
Device = Annotated[
    str | None,
    typer.Option(help="As torch names it: cuda:1, cpu, mps. The first accelerator if not given."),
]
Devices = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="As torch names it: cuda:1, cpu, mps. Every GPU there is, or the CPU, if not given.",
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="Where the work is done: here, or on a Ray cluster (pip install synpic[ray]).",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", help="Processes that share the work. One a GPU if not given."
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        metavar="F",
        help="With --engine ray: 0.5 puts two workers on a GPU. 1 if not given.",
    ),
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
LeaveOutFlagged = Annotated[
    bool,
    typer.Option(
        "--leave-out-flagged",
        help="Without images that a safety check has flagged; else as the recipe says.",
    ),
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

READING = 60.0
"""Seconds that commands which read from the Hub wait for it, for one request."""

Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="How long to wait, in all, for a request that the Hub does not answer.",
    ),
]
