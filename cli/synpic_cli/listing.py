"""``synpic list models`` and ``synpic list rewards``."""

from __future__ import annotations

import typer

from synpic_cli.options import AsJson

app = typer.Typer(
    help="List what is registered.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def models(as_json: AsJson = False) -> None:
    """Registered models: a recipe may name them without settings."""
    from synpic.catalogue import models as known
    from synpic_cli.output import print_json, print_table

    rows = known()
    if as_json:
        print_json(rows)
        return
    columns = ["name", "family", "checkpoint", "sizes", "steps", "guidance", "licence", "from"]
    print_table(columns, [[row[key] for key in columns] for row in rows])


@app.command()
def rewards(as_json: AsJson = False) -> None:
    """Registered rewards."""
    from synpic.catalogue import rewards as known
    from synpic_cli.output import print_json, print_table

    rows = known()
    if as_json:
        print_json(rows)
        return
    columns = ["name", "installed", "checkpoint", "reads_prompt", "score_range", "licence"]
    print_table(
        [*columns, "summary"], [[row[key] for key in [*columns, "summary"]] for row in rows]
    )
