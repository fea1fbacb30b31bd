"""``synpic demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Argument(help="A folder to make; gone on with if there.")] = Path(
        "synpic-demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="48 prompts instead of 300: under a minute.")
    ] = False,
) -> None:
    """The whole way on the embedded world: a few hundred prompts → a folder that loads."""
    from synpic.demo import run_demo
    from synpic_cli.output import print_table, say
    from synpic_cli.release import show_release
    from synpic_cli.summary import show_ranking
    from synpic_cli.watching import watched_work

    with watched_work() as (listener, stop):
        made = run_demo(folder, quick=quick, listener=listener, stop=stop)
    release = made.release
    show_ranking(release.ranked)
    say()
    print_table(
        ["picked of each prompt", "right by the judge", "95 %"],
        [
            [rule, f"{found.share:.0%}", f"{found.low:.0%}–{found.high:.0%}"]
            for rule, found in made.verdict.items()
        ],
    )
    say("The judge reads pixels, and had no part in the ranking.")
    say()
    show_release(release)
    say(f"Rankings in a picture: {release.picture}")
    say("Load it in Python:")
    say(f"  {release.load_line}")
