"""``synpic demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count

if TYPE_CHECKING:
    from synpic.demo import Demo


def demo(
    folder: Annotated[Path, typer.Argument(help="A folder to make; gone on with if there.")] = Path(
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
    """The whole way on the embedded world: a few hundred prompts → a folder that loads."""
    from synpic.demo import run_demo
    from synpic_cli.looking import say_look
    from synpic_cli.output import print_table, say
    from synpic_cli.release import show_release
    from synpic_cli.summary import show_ranking
    from synpic_cli.watching import watched_work

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
    from synpic_cli.output import print_table, say

    found = made.trained
    if found is None:
        return
    say()
    print_table(
        ["on the test split", "strict", "95 %", "lenient", "things", "blank"],
        [
            [
                name,
                f"{figures['strict']:.1%}",
                "–".join(f"{bound:.1%}" for bound in figures["interval"]),
                f"{figures['lenient']:.1%}",
                f"{figures['things']:.2f} of {figures['things_asked']:.2f}",
                f"{figures['blank']:.1%}",
            ]
            for name, figures in (("before", found.before), ("after", found.after))
        ],
    )
    low, high = found.interval
    say(
        f"Strict, prompt by prompt: {100 * found.difference:+.1f} points, 95 % {100 * low:+.1f} to "
        f"{100 * high:+.1f} ({found.gained:,} of {count(found.count, 'prompt')} gained, "
        f"{found.lost} lost): {found.verdict}."
    )
    say("The interval is of the prompts; training from another seed would come out otherwise.")
    say(f"Before and after, the same prompts from the same noise: {found.picture}")
    say(f"The model, as stock diffusers opens it: {made.model}")
