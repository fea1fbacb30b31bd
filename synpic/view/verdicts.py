"""Verdicts of judges on the images of a workspace, and which of its models are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from synpic.pipeline.inventory import Inventory
from synpic.score.judges.wanted import WantedJudge
from synpic.score.recorded import RecordedReward
from synpic.workspace.tables import VERDICTS

__all__ = ["CORRECT", "NOT_EVALUATED", "NTH", "REASON", "VERDICT", "Evaluated", "with_verdicts"]

CORRECT, VERDICT, REASON = "correct_", "verdict_", "reason_"
"""What columns of ``Shown.candidates`` begin with; the name of a judge follows."""

NTH = "nth"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What an evaluation adds to a page.

    Args:
        judges: those that have judged anything, in the order of the recipe.
        models: of [compare], the base first, the others in the order of the recipe; empty without.
        rewards: of those that score, the ones by which models are compared.
    """

    judges: Sequence[str] = ()
    models: Sequence[str] = ()
    rewards: Sequence[str] = ()


NOT_EVALUATED = Evaluated()


def with_verdicts(rows: pl.DataFrame, inventory: Inventory) -> tuple[pl.DataFrame, Evaluated]:
    """``rows`` with what judges say of each image, and what is compared.

    Args:
        rows: candidate_id (each once), model and sha256, null where there is no image.

    Returns:
        ``rows``, in their order, with ``correct_<judge>`` (Boolean), ``verdict_<judge>`` (Float64,
        0 … 1, the score) and ``reason_<judge>`` (String, null where nothing is wrong) of each
        judge, null where it has not judged these very pixels; and, where models are compared,
        ``nth`` (Int32, from 0): which image of its model and prompt it is.

    Raises:
        CorruptPart, NewerSchema: naming the first part of verdicts that cannot be read.
    """
    found: dict[str, pl.Series] = {}
    judges = []
    for judge in inventory.judges:
        said = _said(rows, judge, inventory)
        if said is not None:
            judges.append(judge.name)
            found |= {prefix + judge.name: said[prefix] for prefix in (CORRECT, VERDICT, REASON)}
    rows = rows.with_columns(**found)
    models = _models(inventory, rows)
    if models:
        place = pl.int_range(pl.len(), dtype=pl.Int32).over("prompt_id", "model")
        wanted = inventory.wanted_candidates().select("candidate_id", place.alias(NTH))
        wanted = wanted.unique("candidate_id", keep="first")
        rows = rows.join(wanted, on="candidate_id", how="left", maintain_order="left")
    return rows, Evaluated(judges, models, _rewards(inventory) if models else [])


def _said(
    rows: pl.DataFrame, judge: WantedJudge | RecordedReward, inventory: Inventory
) -> pl.DataFrame | None:
    """A verdict or nulls for each of ``rows``; None where there is no verdict at all."""
    workspace = inventory.workspace
    if not (parts := workspace.parts(judge.folder)):
        return None
    # Parts of a verdict take ten times what all the rest does.
    columns = ["candidate_id", "sha256", "correct", "score", "reason"]
    verdicts = workspace.read(parts, VERDICTS, columns)
    images = rows.select("candidate_id", "sha256").with_row_index("at")
    # By one key, and the other compared: a join by two takes three times the memory. Of two
    # verdicts the harsher one counts, as it does in an evaluation.
    same = (
        verdicts.join(images, on="candidate_id", how="inner")
        .filter(pl.col("sha256") == pl.col("sha256_right"))
        .sort("at", "correct", "score", "reason")
        .unique("at", keep="first", maintain_order=True)
        .select(
            "at",
            pl.col("correct").alias(CORRECT),
            pl.col("score").cast(pl.Float64).alias(VERDICT),
            pl.when(pl.col("reason") != "").then("reason").alias(REASON),
        )
    )
    if same.is_empty():
        return None
    return images.select("at").join(same, on="at", how="left", maintain_order="left")


def _models(inventory: Inventory, rows: pl.DataFrame) -> list[str]:
    """Base and others; none where the recipe compares none, or fewer than two are there."""
    compare = inventory.recipe.compare
    if compare is None:
        return []
    there = rows["model"].drop_nulls().unique().sort().to_list()
    names = [name for name in (*inventory.recipe.models, *there) if name in there]
    others = [name for name in dict.fromkeys(names) if name != compare.base]
    return [compare.base, *others] if compare.base in there and others else []


def _rewards(inventory: Inventory) -> list[str]:
    compare = inventory.recipe.compare
    chosen = compare.rewards if compare is not None else None
    names = [reward.name for reward in inventory.rewards]
    return [name for name in names if chosen is None or name in chosen]
