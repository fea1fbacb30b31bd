"""``synpic export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synpic.readers.display import count, size
from synpic_cli.options import Directory, Drop, MinAgreement, MinMargin, Pairs, Top, WherePrompts


def export(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="KIND",
            help="pickapic, pairwise, folders, webdataset or flow-factory.",
        ),
    ],
    into: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    where: Annotated[
        str,
        typer.Argument(
            metavar="[WHERE]",
            help="A workspace, a release's folder, or user/name@v1.2.0; the workspace here if not "
            "given.",
        ),
    ] = ".",
    directory: Directory = None,
    pairs: Pairs = None,
    drop: Drop = None,
    where_prompts: WherePrompts = None,
    min_margin: MinMargin = None,
    min_agreement: MinAgreement = None,
    top: Top = None,
    split: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much it would be, and write nothing.")
    ] = False,
) -> None:
    """Write pairs as trainers open them: Parquet, folders of image files, tars, records."""
    from synpic.pipeline.cuts import Cuts
    from synpic.publish.export import export as write
    from synpic.publish.export import plan_export
    from synpic.publish.table.resolve_source import without_writing
    from synpic_cli.output import print_table, say
    from synpic_cli.watching import counted_work

    cuts = Cuts(drop, where_prompts, min_margin, min_agreement, top)
    if dry_run:
        planned = plan_export(without_writing(where), to, strategy=pairs, cuts=cuts, split=split)
        print_table(["split", "pairs"], planned.rows.items())
        say(f"About {size(planned.bytes)}, pairs picked by {planned.strategy}.")
        return
    with counted_work("export") as on_progress:
        made = write(
            where, to, into, strategy=pairs, cuts=cuts, split=split, on_progress=on_progress
        )
    print_table(["split", "pairs"], made.rows.items())
    say(f"Wrote {count(made.files, 'file')}, {size(made.bytes)}, in {made.directory}")
    for note in made.notes:
        say(note)
