"""``synpic check reward`` and ``synpic check judge``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synpic_cli.options import AsJson, Device

if TYPE_CHECKING:
    from synpic.score.check import Check, Compared, Finding
    from synpic.score.check_judge import JudgeCheck

app = typer.Typer(
    help="Check that rewards and judges work correctly on this machine.",
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


@app.command()
def judge(
    name: Annotated[
        str, typer.Argument(help="As `synpic list judges` has it, or package.module:callable.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the judge, as a recipe has it."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="A folder or repository; what the judge declares if not given."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the repository.")
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Ask a judge for what a plain grey picture does not show, and see what holds of every judge.

    Needs the judge's weights. Exits with 1 if something is wrong.
    """
    from synpic.recipe import JudgeSettings
    from synpic.recipe.toml import read_toml, toml_value
    from synpic.score.check_judge import check_judge
    from synpic_cli.output import print_json

    given = {"judge": name, "checkpoint": checkpoint, "revision": revision}
    text = "\n".join(f"{k} = {toml_value(v)}" for k, v in given.items() if v is not None)
    settings = read_toml(
        JudgeSettings,
        text,
        "the options",
        hint='an option is written as in a recipe: --option least=0.5, --option model="name"',
        changes=[f"options.{one}" for one in option or []],
    )
    found = check_judge(name, settings, device=device)
    if as_json:
        print_json(found.as_dict())
    else:
        _show_judge(found)
    if not found.ok:
        raise typer.Exit(1)


def _show_judge(found: JudgeCheck) -> None:
    from synpic_cli.output import say

    if found.verdict is None or found.canary is None:
        say("It has no canary: `synpic score` refuses it where it calls everything right.")
    else:
        verdict = found.verdict
        say(f"Asked of a plain grey picture: {found.canary.prompt}")
        say(f"correct: {verdict.correct}; score: {verdict.score}; reason: {verdict.reason or '-'}")
        for part in verdict.parts:
            probability = "" if part.probability is None else f" ({part.probability:.3f})"
            mark = "right" if part.correct else "wrong"
            say(f"  {mark}  {part.question}: {part.answer}{probability}")
    _say_findings(found.findings, found.judge, found.checkpoint, found.ok)


def _say_findings(findings: Sequence[Finding], name: str, checkpoint: str | None, ok: bool) -> None:
    from synpic_cli.output import say

    for finding in findings:
        say(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.text}")
    what = f"{name} ({checkpoint})" if checkpoint else name
    say(f"{what} {'is as it should be' if ok else 'is not as it should be'}.")


def _written(options: Mapping[str, Any]) -> str:
    """As a recipe has them."""
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in options.items())


def _row(one: Compared) -> dict[str, object]:
    return {
        "picture": one.picture,
        "prompt": one.prompt,
        "with": _written(one.options),
        "published": f"{one.expected:.4f}",
        "here": f"{one.score:.4f}",
        "apart": f"{abs(one.score - one.expected):.1e}",
        "allowed": f"{one.tolerance:g}",
        "agrees": one.ok,
    }


def _show(found: Check) -> None:
    from synpic_cli.output import print_table, say

    if found.compared:
        rows = [_row(one) for one in found.compared]
        if not any(one.options for one in found.compared):
            for row in rows:
                del row["with"]
        print_table(list(rows[0]), [list(row.values()) for row in rows])
        for source in dict.fromkeys(one.source for one in found.compared):
            say(f"Published in {source}.")
        for source, met in found.settings:
            which = " or ".join(map(_written, met)) or "none of these settings"
            say(f"The score of {source} is met with {which}.")
    elif found.known_of:
        say(f"Scores are published of --checkpoint {' and of '.join(found.known_of)}, not of this.")
    else:
        say(f"No upstream publishes scores of pictures for {found.reward}.")
    _say_findings(found.findings, found.reward, found.checkpoint, found.ok)
