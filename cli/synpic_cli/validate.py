"""``synpic validate``."""

from __future__ import annotations

import typer

from synpic_cli.options import AsJson, Directory


def validate(directory: Directory = None, as_json: AsJson = False) -> None:
    """Check the recipe and say what it will make, before anything is spent."""
    from synpic import validation
    from synpic.workspace import Workspace
    from synpic_cli.output import errors, human_bytes, print_json, print_table, say

    made = validation.validate(Workspace.open())
    if as_json:
        print_json(made.as_dict())
    else:
        dropped = f"{made.prompts_duplicate:,} duplicates, {made.prompts_empty:,} empty left out"
        say(f"{made.prompts:,} prompts ({dropped})")
        print_table(
            ["model", "checkpoint", "images", "bytes, about"],
            [[m.name, m.checkpoint, m.images, human_bytes(m.bytes)] for m in made.models],
        )
        say(f"{made.images:,} images, about {human_bytes(made.bytes)}")
        say(f"{made.scores:,} scores by {', '.join(made.rewards) or 'no reward'}")
        for note in made.notes:
            say(f"note: {note}")
    for message, hint in made.problems:
        errors.print("[bold red]problem:[/]", end=" ")
        errors.print(message, markup=False)
        if hint:
            errors.print(f"  {hint}", markup=False)
    if made.problems:
        raise typer.Exit(1)
    if not as_json:
        say("The recipe is good.")
