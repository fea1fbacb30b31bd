"""``synpic repair``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import Directory
from synpic_cli.status import DAMAGED


def repair(
    directory: Directory = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name the damaged parts; move nothing.")
    ] = False,
) -> None:
    """Read every part, and set damaged ones aside. The next run makes them again.

    A study is read too, and left where it is: nothing makes votes again. Exits with 4 if one is
    damaged.
    """
    from synpic.study.verification import verify_with_studies
    from synpic.workspace import Workspace
    from synpic_cli.output import say
    from synpic_cli.watching import counted_work

    workspace = Workspace.open()
    with counted_work("repair, files") as show:
        read = verify_with_studies(workspace, show)
    lost = [one for one in read.damaged if one.irreplaceable]
    for one in read.damaged:
        if one.irreplaceable:
            where = "damaged, and left where it is"
        else:
            where = "damaged" if dry_run else f"set aside as {workspace.set_aside(one.file)}"
        say(f"{one.file}: {where}")
        say(f"  {one.reason}")
    for remark in read.remarks:
        say(f"warning: {remark}")
    if not read.damaged:
        say("Every part is whole.")
    elif not dry_run and len(lost) < len(read.damaged):
        say("Next: synpic generate && synpic score")
    if lost:
        raise typer.Exit(DAMAGED)
