"""``synpic demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from synpic.demo import Demo


def demo(
    folder: Annotated[Path, typer.Argument(help="The folder to make, or to continue.")] = Path(
        "synpic-demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="48 prompts instead of 300: under a minute.")
    ] = False,
    train: Annotated[
        bool,
        typer.Option("--train", help="Fine-tune a model on it, and measure what that changed."),
    ] = False,
) -> None:
    """Make a dataset of the embedded world: all steps, in one folder."""
    from synpic.demo import run_demo
    from synpic_cli.looking import say_look
    from synpic_cli.output import print_table, say
    from synpic_cli.release import show_release
    from synpic_cli.summary import show_ranking
    from synpic_cli.watching import watched_work

    if train and quick:
        say("--quick compares 12 pictures: too few to show what training changed.")
    with watched_work() as (listener, stop):
        made = run_demo(folder, quick=quick, train=train, listener=listener, stop=stop)
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
    _show_trained(made)
    say_look(made.workspace.folder)


def _show_trained(made: Demo) -> None:
    from synpic.evaluate.tables import conclusion, footnotes, means, opening
    from synpic_cli.output import print_table, say

    found = made.trained
    if found is None or made.examination is None:
        return
    say()
    say(opening(found))
    say(conclusion(found, "after"))
    say()
    table = means(found)
    print_table(table.columns, table.rows)
    for line in footnotes(found):
        say(line)
    say("The intervals are of the prompts; training from another seed would come out otherwise.")
    say(f"Before and after, the same prompts from the same noise: {made.picture}")
    say(f"The model, as stock diffusers opens it: {made.model}")
    say(f"Side by side, with the judge's reasons:  synpic view {made.examination.folder}")
