"""``synpic publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synpic_cli.options import Directory


def publish(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder to publish into.")],
    directory: Directory = None,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", help="A table to publish; may be given several times."),
    ] = None,
) -> None:
    """Rank, and write a folder that datasets.load_dataset opens: tables, card, manifest."""
    from synpic.publish import publish_to
    from synpic.workspace import Workspace
    from synpic_cli.output import say
    from synpic_cli.release import show_release
    from synpic_cli.watching import counted_work

    with counted_work("publish") as on_progress:
        release = publish_to(Workspace.open(), to, configs=config, on_progress=on_progress)
    show_release(release)
    say(f"Load it with:  {release.load_line}")
