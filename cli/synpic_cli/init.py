"""``synpic init``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from synpic.errors import RecipeError
from synpic_cli.options import Directory, refuse_address


def init(
    name: Annotated[str | None, typer.Argument(help="The folder to make.")] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="A .txt, .csv, .jsonl or .parquet file, owner/name of a dataset, or a world.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]MODEL",
            help="A registered model, a folder, a run of synpic train, or owner/name on the Hub; "
            "once for each.",
        ),
    ] = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(help="A registered reward, or module:function; once for each."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of --prompts that holds the prompt.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many of --prompts; all if not given.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Instead of --prompts, --model and --reward. shapes (the default): the embedded "
            "world; syn-pic: the paper's recipe."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the recipe; make nothing.")] = False,
    directory: Directory = None,
) -> None:
    """Begin a workspace with a commented recipe.

    With --prompts, --model and --reward, the recipe has those; else a preset's.
    """
    from synpic.recipe.presets import preset as text_of

    refuse_address("init", name or "")
    named = {"--prompts": prompts, "--model": model, "--reward": reward}
    if not any(named.values()):
        _refuse({"--column": column, "--count": count}, "is about --prompts, which is not given")
        text = text_of(preset or "shapes")
    else:
        _refuse({"--preset": preset}, f"and {_first(named)} cannot both be followed")
        if not (prompts and model and reward):
            raise _incomplete(named)
        text = _of_options(name, prompts, model, reward, column, count)
    if show:
        typer.echo(text, nl=False)
        return
    if name is None:
        raise RecipeError("a workspace needs a name", hint="synpic init my-set")
    from synpic.pipeline.asked import bring_modules
    from synpic.pipeline.steps import init_workspace

    init_workspace(name, text)
    bring_modules(reward or [], Path(name), "copy it there")
    typer.echo(f"Made {name}/recipe.toml. Next:")
    typer.echo(f"  cd {shlex.quote(name)} && synpic validate && synpic generate && synpic score")
    typer.echo("  synpic publish --to ../out")


def _first(named: Mapping[str, object]) -> str:
    return next(option for option, value in named.items() if value)


def _refuse(options: Mapping[str, object], why: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise RecipeError(f"{option} {why}", hint="leave one of them out")


def _incomplete(named: Mapping[str, object]) -> RecipeError:
    hints = {
        "--prompts": "a file of prompts, owner/name of a dataset, or shapes",
        "--model": "`synpic list models` shows what there is",
        "--reward": "`synpic list rewards` shows what there is",
    }
    missing = next(option for option, value in named.items() if not value)
    return RecipeError(
        f"{_first(named)} is given, and {missing} is missing",
        hint=f"give {missing} too: {hints[missing]}",
    )


def _of_options(
    name: str | None,
    prompts: str,
    models: list[str],
    rewards: list[str],
    column: str | None,
    count: int | None,
) -> str:
    from synpic.pipeline.starting import starting_recipe
    from synpic.recipe import parse_recipe
    from synpic.registry import REWARDS

    text = starting_recipe(
        Path(name or "."),
        prompts=prompts,
        models=models,
        rewards=rewards,
        column=column,
        count=count,
    )
    parse_recipe(text, "the options")
    for one in rewards:
        if ":" in one:
            REWARDS.load(one, Path.cwd())
    return text
