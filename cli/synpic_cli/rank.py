"""``synpic rank``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synpic_cli.options import (
    AsJson,
    Directory,
    Drop,
    LeaveOutFlagged,
    MinAgreement,
    MinMargin,
    Overwrite,
    Top,
    WherePrompts,
)


def rank(
    directory: Directory = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="Write a row per image, with prompt and scores: .csv, .jsonl or .parquet.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    drop: Drop = None,
    where: WherePrompts = None,
    min_margin: MinMargin = None,
    min_agreement: MinAgreement = None,
    top: Top = None,
    leave_out_flagged: LeaveOutFlagged = False,
    as_json: AsJson = False,
) -> None:
    """Turn scores into preferences and ranks, and say who won. Takes seconds, and no GPU."""
    from synpic.pipeline.cuts import Cuts, with_cuts
    from synpic.pipeline.ranking import rank_candidates, ranking_for_people
    from synpic.workspace import Workspace
    from synpic_cli.looking import say_look
    from synpic_cli.output import print_json, require_table_file, say, write_table
    from synpic_cli.summary import show_ranking, summarise

    if to is not None:
        require_table_file(to, overwrite=overwrite)
    cuts = Cuts(drop, where, min_margin, min_agreement, top)
    ranked = rank_candidates(
        with_cuts(Workspace.open(), cuts), flagged="leave-out" if leave_out_flagged else None
    )
    if to is not None:
        write_table(ranking_for_people(ranked), to, overwrite=overwrite)
    if as_json:
        print_json(summarise(ranked))
    else:
        show_ranking(ranked)
        if to is not None:
            say(f"Wrote {to}.")
        say()
        say_look()
