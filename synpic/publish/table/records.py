"""The rows of each published config, without pixels: tables in, tables out.

Where a row has an image, these frames have a reference to it, a struct of ``candidate_id``,
``sha256``, ``path`` and ``size`` (bytes), null where there is none; packing puts the pixels there.
Every frame begins with ``split``, which decides the file and is not itself published. Rows are
ordered by prompt_id, and candidates of a prompt by (model, sample, size), never by rank: a new
reward changes small columns and leaves the pixels where they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from synpic import ids
from synpic.prompts.meta import meta_columns
from synpic.publish.table.features import BINARY, IMAGE
from synpic.publish.table.own_rows import own_rows
from synpic.rank import OWN, OwnPairs, Ranking, pairs
from synpic.release.compared import COMPARED, SHARE, with_compared

__all__ = ["CONFIGS", "REFERENCE", "WITH_PIXELS", "ConfigRows", "join", "records"]

CONFIGS = ("ranked", "scores", "images", "pairwise", "pickapic")
WITH_PIXELS = frozenset(CONFIGS) - {"scores"}

REFERENCE = pl.Struct(
    {"candidate_id": pl.String, "sha256": pl.String, "path": pl.String, "size": pl.Int64}
)
"""What stands for an image until it is packed."""

_ORDER = ["prompt_id", "model", "sample", "width", "height", "candidate_id"]

_CANDIDATE = [
    "candidate_id",
    "prompt_id",
    "prompt",
    "model",
    "fingerprint",
    "sample",
    "seed",
    "sha256",
    "width",
    "height",
    "batch_size",
    "flagged",
    "environment",
]


@dataclass(frozen=True)
class ConfigRows:
    """One config.

    Args:
        config: its name.
        rows: ``split``, then its columns.
        images: the columns that hold references → the type in which pixels are written.
    """

    config: str
    rows: pl.DataFrame
    images: Mapping[str, pa.DataType] = field(default_factory=dict)


def join(
    scored: pl.DataFrame, ranking: Ranking, sizes: pl.Series, paths: pl.Series
) -> pl.DataFrame:
    """Candidates with what they scored, how they rank and a reference to their pixels, in order.

    Args:
        scored: one row per candidate, as ``Inventory.scored`` gives it; with
            :func:`synpic.prompts.meta.with_meta`, its columns are published too.
        ranking: of those candidates; ``wins``, ``wins_<reward>``, ``preference`` and ``rank`` are
            null for the ones it dropped. What its comparisons say of all candidates is published
            too, as :mod:`synpic.release.compared` has it.
        sizes: of the encoded images of ``scored``, in bytes and in its order.
        paths: names of their files: ``<candidate_id>.png``.
    """
    ranks = ranking.table.select(
        "candidate_id",
        pl.col("wins").cast(pl.Float32),
        pl.col("preference").cast(pl.Float32),
        pl.col("rank").cast(pl.Int32),
        *_wins_columns(ranking.table),
    )
    reference = pl.struct(
        "candidate_id",
        "sha256",
        paths.cast(pl.String).alias("path"),
        sizes.cast(pl.Int64).alias("size"),
    )
    rows = with_compared(scored.with_columns(image=reference), ranking.comparisons)
    return rows.join(ranks, on="candidate_id", how="left").sort(_ORDER)


def records(
    config: str,
    candidates: pl.DataFrame,
    ranking: Ranking,
    strategy: str,
    own: OwnPairs | None = None,
) -> ConfigRows:
    """The rows of ``config``.

    Args:
        config: one of ``CONFIGS``.
        candidates: from :func:`join`.
        ranking: the same.
        strategy: how pairs are chosen, for ``pairwise`` and ``pickapic``.
        own: the pairs that the strategy "own" takes, as far as both images are candidates.
    """
    if config == "ranked":
        return _ranked(candidates, ranking)
    if config == "scores":
        return ConfigRows("scores", _scores(candidates, also=["position"]))
    if config == "images":
        # Without the position of a prompt: where that changes, pixels stay where they are.
        return ConfigRows("images", _scores(candidates, images=["image"]), {"image": IMAGE})
    if strategy == OWN and own is not None:
        pickapic = config == "pickapic"
        chosen = _with_sides(own_rows(own, candidates, ranking, pickapic), candidates)
    else:
        chosen = _pairs(candidates, ranking, strategy)
    return _pairwise(chosen) if config == "pairwise" else _pickapic(chosen)


def _ranked(candidates: pl.DataFrame, ranking: Ranking) -> ConfigRows:
    """One row per prompt that has a ranking. Who gives no score has wins."""
    wins = [f"wins_{name}" for name in ranking.comparisons]
    kept = candidates.filter(pl.col("rank").is_not_null())
    width = kept.group_by("prompt_id").len()["len"].max()
    assert isinstance(width, int)
    images = [f"image_{number}" for number in range(width)]
    rows = kept.group_by("prompt_id", maintain_order=True).agg(
        pl.col("split", "prompt", *meta_columns(kept)).first(),
        *[
            pl.col("image").get(number, null_on_oob=True).alias(name)
            for number, name in enumerate(images)
        ],
        pl.col("candidate_id").alias("candidate_ids"),
        pl.col("model").alias("models"),
        pl.col("seed").alias("seeds"),
        pl.col("wins", "preference", "rank", *_score_columns(kept), *wins),
        (pl.col("rank") == 1).arg_max().cast(pl.Int32).alias("best"),
        pl.col("flagged"),
    )
    meta = meta_columns(rows)
    columns = [name for name in rows.columns if name not in ("split", *meta)]
    return ConfigRows("ranked", rows.select("split", *columns, *meta), dict.fromkeys(images, IMAGE))


def _scores(
    candidates: pl.DataFrame, also: Sequence[str] = (), images: Sequence[str] = ()
) -> pl.DataFrame:
    """One row per candidate; wins, preference and rank are null where it is in no ranking."""
    also = [name for name in also if name in candidates.columns]
    derived = ["preference", "rank", *_wins_columns(candidates), *_score_columns(candidates)]
    derived += [name for name in candidates.columns if name.startswith((COMPARED, SHARE))]
    known = [*_CANDIDATE, *also]
    return candidates.select("split", *known, *derived, *meta_columns(candidates), *images)


def _pairs(candidates: pl.DataFrame, ranking: Ranking, strategy: str) -> pl.DataFrame:
    """The pairs of a ranking with what a row needs of both sides, ordered by prompt_id."""
    rows = _with_sides(pairs(ranking.table, strategy), candidates)
    # Which side wins must tell a reader nothing, and must not move when rewards change.
    ids_of_pairs = rows.select("chosen_id", "rejected_id").iter_rows()
    first = pl.Series([_chosen_is_first(*pair) for pair in ids_of_pairs], dtype=pl.Boolean)
    ranking_id = pl.col("prompt_id").str.head(12).str.to_integer(base=16)
    known = rows.with_columns(
        first=first,
        tied=pl.lit(False),
        label_source=pl.lit(ranking.label_source),
        ranking_id=ranking_id,
        # 0 is no person: what reads these columns knows by it that rewards labelled.
        user_id=pl.lit(0 if ranking.label_source == "rewards" else None, pl.Int64),
    )
    return known.sort("prompt_id", maintain_order=True)


def _with_sides(rows: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """Pairs of ids with what is known of both images, and of their prompt."""
    sides = candidates.select("candidate_id", "model", "image")
    meta = meta_columns(candidates)
    prompts = candidates.select("prompt_id", "prompt", "split", *meta).unique("prompt_id")
    for side in ("chosen", "rejected"):
        renamed = sides.rename(
            {"candidate_id": f"{side}_id", "model": f"{side}_model", "image": side}
        )
        rows = rows.join(renamed, on=f"{side}_id", how="left", maintain_order="left")
    return rows.join(prompts, on="prompt_id", how="left", maintain_order="left")


def _pairwise(chosen: pl.DataFrame) -> ConfigRows:
    # A margin is the difference of the two numbers beside it, as they are published: a release,
    # which has no others, gives the same one.
    numbers = pl.col("chosen_preference", "rejected_preference").cast(pl.Float32)
    margin = pl.col("chosen_preference") - pl.col("rejected_preference")
    rows = (
        chosen.with_columns(numbers)
        .with_columns(margin=margin)
        .select(
            "split",
            "prompt_id",
            "prompt",
            "chosen",
            "rejected",
            "chosen_id",
            "rejected_id",
            "chosen_model",
            "rejected_model",
            "chosen_preference",
            "rejected_preference",
            "margin",
            "strategy",
            "label_source",
            *meta_columns(chosen),
        )
    )
    return ConfigRows("pairwise", rows, {"chosen": IMAGE, "rejected": IMAGE})


def _pickapic(chosen: pl.DataFrame) -> ConfigRows:
    """The pairs in the columns of Pick-a-Pic (yuvalkirstain/pickapic_v2), for scripts made for it.

    Images are the bytes that were generated, whatever the recipe's format: readers open ``jpg_0``
    with PIL, which looks at the bytes and not at the name. What Pick-a-Pic has and no one here did
    is constant: ``created_at`` and the URLs are null, ``user_id`` is 0. ``ranking_id`` is the
    number in the first 12 hex digits of the prompt_id. A label is 1 or 0, and 0.5 of a tie, which
    only pairs that came with labels can be.
    """
    first = pl.col("first")
    row = pl.int_range(pl.len(), dtype=pl.Int64).over("split")

    def side(number: int, column: str) -> pl.Expr:
        sides = (column.format("chosen"), column.format("rejected"))
        one, other = sides if number == 0 else sides[::-1]
        return pl.when(first).then(pl.col(one)).otherwise(pl.col(other))

    rows = chosen.select(
        "split",
        pl.lit(True).alias("are_different"),
        pl.when(~pl.col("tied")).then("chosen_id").alias("best_image_uid"),
        pl.col("prompt").alias("caption"),
        pl.lit(None, pl.Datetime("ns")).alias("created_at"),
        pl.lit(True).alias("has_label"),
        side(0, "{}_id").alias("image_0_uid"),
        pl.lit(None, pl.String).alias("image_0_url"),
        side(1, "{}_id").alias("image_1_uid"),
        pl.lit(None, pl.String).alias("image_1_url"),
        side(0, "{}").alias("jpg_0"),
        side(1, "{}").alias("jpg_1"),
        pl.when("tied").then(0.5).otherwise(first.cast(pl.Float64)).alias("label_0"),
        pl.when("tied").then(0.5).otherwise((~first).cast(pl.Float64)).alias("label_1"),
        side(0, "{}_model").alias("model_0"),
        side(1, "{}_model").alias("model_1"),
        "ranking_id",
        "user_id",
        pl.len().over("prompt_id").cast(pl.Int64).alias("num_example_per_prompt"),
        row.alias("__index_level_0__"),
    )
    return ConfigRows("pickapic", rows, {"jpg_0": BINARY, "jpg_1": BINARY})


def _chosen_is_first(chosen: str, rejected: str) -> bool:
    low, high = sorted((chosen, rejected))
    low_is_first = int(ids.sha256(f"{low}:{high}".encode())[0], 16) % 2 == 0
    return low_is_first == (chosen == low)


def _score_columns(rows: pl.DataFrame) -> Sequence[str]:
    return [name for name in rows.columns if name.startswith("score_")]


def _wins_columns(rows: pl.DataFrame) -> Sequence[str]:
    return [name for name in rows.columns if name.startswith("wins_")]
