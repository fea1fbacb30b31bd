"""``synpic versions``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import READING, AsJson, WaitToRead


def versions(
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="A dataset on the Hub.")],
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """List the versions of a dataset on the Hub, the newest first."""
    from synpic.hub.retry import waiting
    from synpic.release.versions import versions as list_versions
    from synpic_cli.output import print_json, print_table, say
    from synpic_cli.watching import note

    with waiting(wait, note):
        rows = list_versions(repository)
    if as_json:
        print_json([row.as_dict() for row in rows])
        return
    if not rows:
        say(f"{repository} has no tag that is a version.")
        return
    print_table(
        ["version", "commit", "date", "prompts", "images", "rows", "message"],
        [
            [
                row.version.tag,
                row.commit[:8],
                (row.date or "")[:10],
                row.prompts,
                row.images,
                ", ".join(f"{name} {count:,}" for name, count in (row.rows or {}).items()),
                row.message,
            ]
            for row in rows
        ],
    )
