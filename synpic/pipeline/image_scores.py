"""What every image that a recipe wants scored, or why it is not there, or has no score."""

from __future__ import annotations

import polars as pl

from synpic.pipeline.inventory import Inventory
from synpic.score.recorded import RecordedReward
from synpic.score.reward import WantedReward

__all__ = ["every_image"]


def every_image(inventory: Inventory, scored: pl.DataFrame | None = None) -> pl.DataFrame:
    """A row for every wanted image, with what it scored, or why it did not.

    Of ingested images also one for each further place of the same image.

    Args:
        scored: what ``Inventory.scored`` gave; it is read if None.
    """
    scored = inventory.scored() if scored is None else scored
    scores = [name for name in scored.columns if name.startswith("score_")]
    want = inventory.wanted_candidates()
    rows = (
        want.join(_not_made(inventory, want), on="candidate_id", how="left", maintain_order="left")
        .join(
            scored.select("candidate_id", *scores, pl.lit(True).alias("there")),
            on="candidate_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.coalesce("failure", pl.lit("not made yet")).alias("failure"))
    )
    for reward in inventory.rewards:
        rows = rows.join(
            _unscored(inventory, reward), on="candidate_id", how="left", maintain_order="left"
        )
    reasons = [
        pl.when(pl.col(f"score_{name}").is_null()).then(
            pl.format("{}: {}", pl.lit(name), pl.col(f"_{name}").fill_null("not scored yet"))
        )
        for name in (reward.name for reward in inventory.rewards)
    ]
    unscored = pl.concat_str(reasons or [pl.lit("")], separator="; ", ignore_nulls=True)
    table = rows.with_row_index("nth").select(
        "nth",
        *("prompt", "place", "model", "sample", "prompt_id", "candidate_id"),
        *scores,
        # One that failed once and is there now has not failed.
        pl.when(pl.col("there").is_null())
        .then("failure")
        .otherwise(pl.when(unscored != "").then(unscored))
        .alias("failure"),
    )
    if inventory.ingested is not None:
        copies = table.drop("place").join(
            inventory.ingested.copies, on="candidate_id", how="inner", maintain_order="right"
        )
        table = pl.concat([table, copies.select(table.columns)])
    return table.sort("nth", maintain_order=True).drop("nth")


def _not_made(inventory: Inventory, want: pl.DataFrame) -> pl.DataFrame:
    """``candidate_id``, and why its image could not be made, as ``failure``."""
    failures = inventory.workspace.failures("generate").select(
        "candidate_id", "fingerprint", failure="reason"
    )
    # Of few images, mostly: to join all by two keys takes several times their memory.
    failed = want.select("candidate_id", "fingerprint").join(
        failures, on="candidate_id", how="semi"
    )
    keys = ["candidate_id", "fingerprint"]
    return failures.join(failed, on=keys, how="semi").drop("fingerprint")


def _unscored(inventory: Inventory, reward: WantedReward | RecordedReward) -> pl.DataFrame:
    """``candidate_id``, and why ``reward`` gave it no score, as a column named after it."""
    failures = inventory.workspace.failures("score").filter(
        (pl.col("name") == reward.name) & (pl.col("fingerprint") == reward.fingerprint)
    )
    last = failures.unique("candidate_id", keep="last", maintain_order=True)
    return last.select("candidate_id", pl.col("reason").alias(f"_{reward.name}"))
