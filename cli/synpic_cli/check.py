"""``synpic check reward``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic_cli.options import AsJson, Device

if TYPE_CHECKING:
    from synpic.score.check import Check

app = typer.Typer(
    help="Check what this machine computes against what others published.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _check() -> None:
    pass


@app.command()
def reward(
    name: Annotated[
        str, typer.Argument(help="As `synpic list rewards` has it, or package.module:callable.")
    ],
    checkpoint: Annotated[
        str | None,
        typer.Option(help="A folder or repository; what the reward declares if not given."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the repository.")
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Score pictures whose scores were published, and see what holds of every reward.

    Needs the reward's weights, and the network for the pictures. Exits with 1 if something is
    wrong.
    """
    from synpic.score.check import check_reward
    from synpic_cli.output import print_json

    found = check_reward(name, checkpoint=checkpoint, revision=revision, device=device)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(1)


def _show(found: Check) -> None:
    from synpic_cli.output import print_table, say

    if found.compared:
        print_table(
            ["picture", "prompt", "published", "here", "apart", "allowed", "agrees"],
            [
                [
                    one.url.rpartition("/")[2],
                    one.prompt,
                    *(f"{number:.4f}" for number in (one.expected, one.score)),
                    f"{abs(one.score - one.expected):.1e}",
                    f"{one.tolerance:g}",
                    one.ok,
                ]
                for one in found.compared
            ],
        )
        for source in dict.fromkeys(one.source for one in found.compared):
            say(f"Published in {source}.")
    elif found.known_of:
        say(f"Scores are published of --checkpoint {' and of '.join(found.known_of)}, not of this.")
    else:
        say(f"No upstream publishes scores of pictures for {found.reward}.")
    for finding in found.findings:
        say(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.text}")
    what = f"{found.reward} ({found.checkpoint})" if found.checkpoint else found.reward
    say(f"{what} {'is as it should be' if found.ok else 'is not as it should be'}.")
