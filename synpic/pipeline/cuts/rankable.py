"""The candidates that are ranked: without those that are dropped, or flagged and left out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.errors import RankingError
from synpic.pipeline.cuts.drop import Dropped, drop_candidates, read_drop
from synpic.pipeline.cuts.settings import Cuts
from synpic.readers.display import count
from synpic.recipe import Flagged
from synpic.workspace import Snapshot

__all__ = ["Rankable", "rankable"]


@dataclass(frozen=True, eq=False)
class Rankable:
    """What is left of candidates before they are ranked.

    Args:
        rows: those that are ranked.
        dropped: what ``[ranking] drop`` took out; None without it.
        left_out: the rows that are flagged; None where flagged ones are kept.
    """

    rows: pl.DataFrame
    dropped: Dropped | None
    left_out: pl.DataFrame | None


def rankable(
    snapshot: Snapshot, candidates: pl.DataFrame, flagged: Flagged | None = None
) -> Rankable:
    """Take out of ``candidates`` what the recipe does not rank.

    Args:
        candidates: candidate_id, prompt_id, flagged and any other column.
        flagged: "leave-out" or "keep"; as the recipe says, if None.

    Raises:
        RecipeError: the list of what is dropped cannot be read.
        RankingError: nothing is left.
    """
    cuts = Cuts.of(snapshot.recipe)
    rows = candidates
    dropped: Dropped | None = None
    if cuts.drop is not None:
        rows, dropped = drop_candidates(rows, read_drop(snapshot.workspace, cuts.drop))
    if (flagged or snapshot.recipe.records.flagged) != "leave-out":
        return Rankable(rows, dropped, None)
    is_flagged = pl.col("flagged").fill_null(False)
    left_out, rows = rows.filter(is_flagged), rows.filter(~is_flagged)
    if rows.is_empty():
        raise RankingError(
            f"there is nothing to rank: all {count(left_out.height, 'image')} are flagged",
            hint="look at [safety] in the recipe, or keep what is flagged",
        )
    return Rankable(rows, dropped, left_out)
