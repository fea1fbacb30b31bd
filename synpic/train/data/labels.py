"""What ranks: the published preference, chance, or rewards anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from synpic import ids
from synpic.errors import TrainingError, did_you_mean
from synpic.rank import rank
from synpic.train.data.layouts import SCORE

__all__ = ["relabel", "untied"]

_LABELS = ["preference", "rank"]


def relabel(
    table: pl.DataFrame, labels: Literal["published", "random"] | Sequence[str], seed: int
) -> pl.DataFrame:
    """``table`` of :class:`TrainingRecords` with the labels that are asked for.

    Args:
        table: see :class:`synpic.train.data.records.TrainingRecords`.
        labels: "published": as they are; "random": those of a prompt, shuffled among its images,
            which keeps how far apart they are (a control); rewards by name: φ and τ by their wins
            (RankDPO, Algorithm 1), each reward counting the same. Then images without a score of
            one of them drop out, and rows with fewer than two left.
        seed: of the shuffling.

    Raises:
        TrainingError: there is no such reward, or preferences that are no shares of wins.
        RewardError: the scores of a reward cannot be trusted.
    """
    if labels == "published":
        _require_shares(table)
        return table
    if labels == "random":
        _require_shares(table)
        return _shuffled(table, seed)
    return _by_rewards(table, list(labels))


def untied(table: pl.DataFrame) -> pl.DataFrame:
    """The rows in which one image is preferred to another; the others teach nothing."""
    low, high = (getattr(pl.col("preference").list, end)() for end in ("min", "max"))
    return table.filter(low < high)


def _require_shares(table: pl.DataFrame) -> None:
    """The gain 2^φ − 1 is of a share of wins φ; other aggregations have other ranges."""
    values = table["preference"].explode()
    outside = values.filter(~values.is_between(0, 1)).to_list()  # NaN is outside too
    if outside:
        raise TrainingError(
            f"a published preference is {outside[0]:.3g}, and the gain 2^φ − 1 is of a share of "
            "wins, 0 … 1",
            hint='data.labels = ["reward", …] ranks by wins from the published scores; or publish '
            "with an aggregation of that range (`synpic list aggregations`)",
        )


def _shuffled(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Every row by its own key, so that neither its place nor the other rows matter."""
    rows = table.select("key", *_LABELS).iter_rows()
    orders = [_order(f"{seed}:{key}", len(ranks)) for key, _, ranks in rows]
    order = pl.Series(orders, dtype=pl.List(pl.Int64))
    return table.with_columns(pl.col(name).list.gather(order) for name in _LABELS)


def _order(key: str, size: int) -> list[int]:
    return sorted(range(size), key=lambda place: ids.sha256(f"{place}:{key}".encode()))


def _by_rewards(table: pl.DataFrame, rewards: list[str]) -> pl.DataFrame:
    known = [name.removeprefix(SCORE) for name in table.columns if name.startswith(SCORE)]
    for name in rewards:
        if name not in known:
            raise TrainingError(
                f"data.labels: the dataset has no scores of reward {name!r}."
                f"{did_you_mean(name, known)}",
                hint=f"it has: {', '.join(known)}"
                if known
                else "pairs have no scores; `synpic score --dataset NAME` makes them, and "
                "`synpic publish` a release to train on",
            )
    scores = [SCORE + name for name in known]
    lists = ["images", *_LABELS, *scores]
    images = table.select("row", *lists).explode(lists)
    images = images.with_columns(
        prompt_id=pl.col("row").cast(pl.String), candidate_id=pl.format("{}:{}", "row", "images")
    )
    ranking = rank(images, dict.fromkeys(rewards, 1.0))
    anew = ranking.table.select("candidate_id", *_LABELS)
    ranked = (
        images.drop(_LABELS)
        .join(anew, on="candidate_id", how="inner", maintain_order="left")
        .group_by("row", maintain_order=True)
        .agg(lists)
    )
    others = table.select("row", "key", "prompt")
    return others.join(ranked, on="row", how="inner", maintain_order="left").select(table.columns)
