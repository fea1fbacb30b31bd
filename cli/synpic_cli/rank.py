"""``synpic rank``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synpic_cli.options import AsJson, Directory, LeaveOutFlagged


def rank(
    directory: Directory = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Write the ranking: .parquet or .csv."),
    ] = None,
    leave_out_flagged: LeaveOutFlagged = False,
    as_json: AsJson = False,
) -> None:
    """Turn scores into preferences and ranks, and say who won. Takes seconds, and no GPU."""
    from synpic.pipeline.ranking import rank_candidates
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, say, write_table
    from synpic_cli.summary import show_ranking, summarise

    ranked = rank_candidates(Workspace.open(), flagged="leave-out" if leave_out_flagged else None)
    if to is not None:
        write_table(ranked.ranking.table, to)
    if as_json:
        print_json(summarise(ranked))
    else:
        show_ranking(ranked)
        if to is not None:
            say(f"Wrote {to}.")
