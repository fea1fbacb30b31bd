"""``synpic repair``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import Directory


def repair(
    directory: Directory = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name the damaged parts; move nothing.")
    ] = False,
) -> None:
    """Read every part, and set aside those that are damaged; the next run makes them again."""
    from synpic.workspace import Workspace
    from synpic_cli.output import say
    from synpic_cli.watching import counted_work

    workspace = Workspace.open()
    with counted_work("repair, files") as show:
        damaged = workspace.verify(show).damaged
    for one in damaged:
        where = "damaged" if dry_run else f"set aside as {workspace.set_aside(one.file)}"
        say(f"{one.file}: {where}")
        say(f"  {one.reason}")
    if not damaged:
        say("Every part is whole.")
    elif not dry_run:
        say("Next: synpic generate && synpic score")
