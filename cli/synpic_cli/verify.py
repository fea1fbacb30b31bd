"""``synpic verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count, size
from synpic_cli.options import READING, AsJson, WaitToRead

if TYPE_CHECKING:
    from synpic.release.verify import ReleaseVerification

_SHOWN = 10

DAMAGED = 4
"""The exit code for a release that is not whole; 5 is a Hub that did not answer."""


def verify(
    where: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A folder, or user/name@v1.2.0 on the Hub."),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Sizes, counts and columns alone; nothing is hashed.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Check that a release is whole: hashes, rows, ranks and pixels.

    Exits with 0 if it is, with 4 if anything is damaged, with 5 if the Hub did not answer.
    """
    from synpic.hub.retry import waiting
    from synpic.release import open_release
    from synpic.release.verify import verify as check
    from synpic_cli.output import print_json
    from synpic_cli.watching import counted_work, note

    with waiting(wait, note), counted_work("verify, MB") as show:
        release = open_release(where)
        found = check(
            release,
            deep=not quick,
            on_progress=lambda done, total: show(done // 1_000_000, -(-total // 1_000_000)),
        )
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(DAMAGED)


def _show(found: ReleaseVerification) -> None:
    from synpic_cli.output import say

    for problem in found.problems:
        say(f"{problem.path}: {problem.text}")
    for note in found.notes:
        say(f"note: {note}")
    for path in found.edited:
        say(f"{path} was edited after it was published.")
    if found.others:
        shown = ", ".join(found.others[:_SHOWN])
        more = f", and {len(found.others) - _SHOWN:,} more" if len(found.others) > _SHOWN else ""
        say(f"Beside the release, and not looked at: {shown}{more}.")
    looked = f"{count(found.files, 'file')}, {size(found.bytes)}, {count(found.rows, 'row')}"
    if found.deep:
        looked += f", {count(found.images, 'image')} hashed"
    if found.ok:
        say(f"{found.release} is whole: {looked}.")
    else:
        are = "is" if len(found.problems) == 1 else "are"
        say(f"{found.release}: {count(len(found.problems), 'thing')} {are} wrong ({looked}).")
