"""``synpic merge``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic_cli.options import AsJson, Directory

if TYPE_CHECKING:
    from synpic.pipeline.merge import Merged


def merge(
    workspaces: Annotated[
        list[str], typer.Argument(metavar="WORKSPACE WORKSPACE…", help="Two or more.")
    ],
    to: Annotated[
        str,
        typer.Option("--to", metavar="DIR", help="The new workspace."),
    ],
    directory: Directory = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--recipe",
            metavar="FILE",
            help="The recipe of the new workspace, where theirs differ; joined if not given.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be merged, and every clash. Exits with 1 at a clash."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Join several workspaces into a new one; nothing is made again."""
    from synpic.pipeline.merge import merge_workspaces
    from synpic_cli.output import print_json
    from synpic_cli.watching import counted_work

    with counted_work("merge, parts read and placed") as show:
        merged = merge_workspaces(workspaces, to, recipe=recipe, dry_run=dry_run, on_progress=show)
    if as_json:
        print_json(merged.as_dict())
    else:
        _show(merged)
    if merged.clashes:
        raise typer.Exit(1)


def _show(merged: Merged) -> None:
    from synpic.readers.display import count, size
    from synpic_cli.output import say

    for clash in merged.clashes:
        say(f"clash: {clash.what}")
    what = ", ".join([count(merged.prompts, "prompt"), count(merged.images, "image")])
    done = "would merge" if merged.dry_run else "merged"
    say(f"{'compared' if merged.clashes else done}: {what}")
    for folder, number in merged.scores.items():
        kind, _, name = folder.rpartition("/")
        what = f"{name}: {count(number, 'pair' if kind == 'comparisons' else 'image')}"
        say(f"{kind or 'scores'}: {what}")
    for remark in merged.remarks:
        say(f"warning: {remark}")
    say(
        f"parts: {merged.parts_linked:,} linked ({size(merged.bytes_linked)}), "
        f"{merged.parts_copied:,} copied ({size(merged.bytes_copied)})"
    )
    if merged.clashes:
        say(f"{count(len(merged.clashes), 'clash', 'clashes')}: nothing can be merged.")
    elif not merged.dry_run:
        say(f"Next: synpic -C {shlex.quote(merged.to)} status")
