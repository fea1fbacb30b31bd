"""``synpic verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic.display import count, size
from synpic_cli.options import AsJson

if TYPE_CHECKING:
    from synpic.release.verify import Verification

_SHOWN = 10


def verify(
    where: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A folder, or user/name@v1.2.0 on the Hub."),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Sizes, counts and columns alone; nothing is hashed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a release is whole: hashes, rows, ranks and pixels. Exits with 1 if it is not."""
    from synpic.release import open_release
    from synpic.release.verify import verify as check
    from synpic_cli.output import print_json
    from synpic_cli.watching import counted_work

    release = open_release(where)
    with counted_work("verify, MB") as show:
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
        raise typer.Exit(1)


def _show(found: Verification) -> None:
    from synpic_cli.output import say

    for problem in found.problems:
        say(f"{problem.path}: {problem.text}")
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
