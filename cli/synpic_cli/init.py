"""``synpic init``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import Directory, refuse_address


def init(
    name: Annotated[str | None, typer.Argument(help="The folder to make.")] = None,
    preset: Annotated[
        str, typer.Option(help="shapes: the embedded world; syn-pic: the paper's recipe.")
    ] = "shapes",
    show: Annotated[bool, typer.Option("--show", help="Print the recipe; make nothing.")] = False,
    directory: Directory = None,
) -> None:
    """Begin a workspace with a commented recipe."""
    from synpic.errors import SynpicError
    from synpic.recipe.presets import preset as text_of

    if show:
        typer.echo(text_of(preset), nl=False)
        return
    if name is None:
        raise SynpicError("a workspace needs a name", hint="synpic init my-set")
    refuse_address("init", name)
    from synpic.pipeline.steps import init_workspace

    init_workspace(name, from_preset=preset)
    typer.echo(f"Made {name}/recipe.toml. Next:")
    typer.echo(f"  cd {name} && synpic validate && synpic generate && synpic score")
    typer.echo("  synpic publish --to ../out")
