"""Which images of a workspace are compared: of each prompt the nth of every model."""

from __future__ import annotations

import polars as pl

from synpic.evaluate.existing_images import LINKS
from synpic.pipeline.inventory import Inventory
from synpic.workspace.suite import read_suite

__all__ = ["wanted_images"]


def wanted_images(inventory: Inventory) -> pl.DataFrame:
    """Every wanted image: candidate_id, prompt_id, model, seed, and ``nth`` of prompt and model.

    Of images that exist already, those whose prompt is none of the suite's are left out.
    """
    rows = inventory.wanted_candidates().select(
        "candidate_id", "prompt_id", "model", "seed", "place"
    )
    ingest = inventory.recipe.ingest
    if inventory.ingested is not None and ingest is not None and ingest.images == LINKS:
        # Two models that gave one picture have one candidate in two places.
        copies = inventory.ingested.copies.join(
            rows.drop("place"), on="candidate_id", maintain_order="left"
        )
        rows = (
            pl.concat([rows, copies.select(rows.columns)])
            .with_columns(
                model=pl.col("place").str.split("/").list.first(),
                nth=pl.col("place").str.extract(r"-(\d+)\.[^.]*$").cast(pl.Int64),
            )
            .sort("place")
        )
    else:
        rows = rows.with_columns(nth=pl.int_range(pl.len()).over("prompt_id", "model"))
    asked = read_suite(inventory.workspace).items if inventory.recipe.suite is not None else {}
    return rows.filter(pl.col("prompt_id").is_in(list(asked))) if asked else rows
