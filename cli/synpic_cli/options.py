"""Options that several verbs take."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any

import typer

from synpic.errors import SynpicError
from synpic.hub.retry import PUBLISHING, READING

__all__ = [
    "PUBLISHING",
    "READING",
    "AsJson",
    "ConfigOption",
    "Count",
    "DatasetOption",
    "Device",
    "Devices",
    "Directory",
    "Drop",
    "EngineOption",
    "EventsAsJson",
    "FollowLinks",
    "GpusPerWorker",
    "ImageColumns",
    "ImagesOption",
    "LabelOf",
    "LeaveOutFlagged",
    "MinAgreement",
    "MinMargin",
    "ModelColumns",
    "NoLabels",
    "Only",
    "Overwrite",
    "Pairs",
    "PromptColumns",
    "RetryFailed",
    "RevisionOption",
    "RewardNames",
    "ShardOption",
    "SplitOption",
    "Top",
    "WaitToPublish",
    "WaitToRead",
    "WherePrompts",
    "Workers",
    "chdir",
    "print_version",
    "refuse_address",
    "seconds_of",
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
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")]
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
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="STRATEGY",
        help="best-worst, best-rest, all, adjacent, random, or own (the pairs that came with "
        "labels); the recipe's if not given.",
    ),
]
Drop = Annotated[
    str | None,
    typer.Option(
        "--drop",
        metavar="marks|FILE",
        help="Take out before ranking what is marked, or whose ids a file names.",
    ),
]
WherePrompts = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="SQL",
        help="Only prompts for which this is true: meta_category = 'animals'.",
    ),
]
MinMargin = Annotated[
    float | None,
    typer.Option(
        "--min-margin", metavar="F", help="Only prompts whose first and last lie as far apart in φ."
    ),
]
MinAgreement = Annotated[
    float | None,
    typer.Option(
        "--min-agreement",
        metavar="TAU",
        help="Only prompts on which rewards agree so far: mean Kendall τ-b, −1 to 1.",
    ),
]
Top = Annotated[
    int | None,
    typer.Option("--top", metavar="K", help="Of each prompt the first K, ranked among all."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file that --to names, if it is there.")
]

ImagesOption = Annotated[
    str | None,
    typer.Option(
        "--images",
        metavar="FOLDER",
        help="Images that exist already, with captions: a .txt beside each, or metadata.jsonl; or "
        "tars of WebDataset.",
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset", metavar="NAME", help="The same, in a dataset: on the Hub, or a folder."
    ),
]
FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        help="With --images: read what links lead to outside the folder, too.",
    ),
]
NoLabels = Annotated[
    bool,
    typer.Option(
        "--no-labels",
        help="With --images or --dataset: do not read which images are preferred.",
    ),
]
LabelOf = Annotated[
    str | None,
    typer.Option(
        "--label-0",
        metavar="COLUMN",
        help="The column of images that label_0 is of; the one with a 0 in its name if not given.",
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
PromptColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt-column",
        metavar="COLUMN",
        help="Holds the prompt: one, or one for each --image-column. The first of prompt, caption "
        "and text if not given.",
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
    typer.Option(
        "--count", min=1, help="Take this many images, or rows of the dataset, from the first on."
    ),
]


def seconds_of(text: str | float) -> float:
    """ "1h", "10m", "90s" or "90" in seconds.

    Raises:
        SynpicError: it is no time.
    """
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh]?)", str(text), re.ASCII)
    if not found:
        raise SynpicError(
            f"--wait {text}: not a time", hint="write 90s, 10m, 1h, or a number of seconds"
        )
    return float(found[1]) * _SECONDS[found[2]]


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def _wait(seconds: float) -> Any:
    unit = next(unit for unit in "hms" if seconds % _SECONDS[unit] == 0)
    return typer.Option(
        "--wait",
        metavar="TIME",
        parser=seconds_of,
        show_default=False,
        help="How long to wait, in all, for a request that the Hub does not answer: 90s, 10m, 1h, "
        f"or seconds. {seconds / _SECONDS[unit]:.0f}{unit} if not given.",
    )


WaitToRead = Annotated[float, _wait(READING)]
WaitToPublish = Annotated[float, _wait(PUBLISHING)]
