"""``synpic validate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from synpic.readers.display import count, size
from synpic_cli.options import READING, AsJson, Directory, WaitToRead

if TYPE_CHECKING:
    from synpic.pipeline.validation import ValidatedModel


def validate(
    directory: Directory = None, wait: WaitToRead = READING, as_json: AsJson = False
) -> None:
    """Check the recipe, and say what it will make."""
    from synpic.hub.retry import waiting
    from synpic.pipeline import validation
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, print_table, say, show_problem
    from synpic_cli.reporting import prompts_line
    from synpic_cli.watching import note

    with waiting(wait, note):
        made = validation.validate(Workspace.open())
    if as_json:
        print_json(made.as_dict())
    else:
        say(prompts_line(made.prompts, made.prompts_empty, made.prompts_duplicate, made.sharing))
        print_table(
            ["model", "checkpoint", "images", "bytes, about"],
            [[m.name, m.checkpoint, m.images, _bytes(m)] for m in made.models],
        )
        say(f"{count(made.images, 'image')}, about {size(made.bytes)}")
        if made.rewards or not made.judges:
            say(f"{count(made.scores, 'score')} by {', '.join(made.rewards) or 'no reward'}")
        if made.judges:
            say(f"{count(made.verdicts, 'verdict')} by {', '.join(made.judges)}")
        for name, questions in made.comparers.items():
            asked = "" if questions is None else f": {count(questions, 'question')}, two for a pair"
            say(f"comparer {name}{asked}")
        for line in made.notes:
            say(f"note: {line}")
    for message, hint in made.problems:
        show_problem(message, hint)
    if made.problems:
        raise typer.Exit(1)
    if not as_json:
        say("The recipe is good.")


def _bytes(model: ValidatedModel) -> str:
    mean = f" (mean of {count(model.mean_of, 'image')})" if model.mean_of else ""
    return f"{size(model.bytes)}{mean}"
