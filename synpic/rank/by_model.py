"""Models against one another, as a ranking of their images sees them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from synpic.errors import RankingError
from synpic.rank.blocks import Floats, Ints, blocks, prompt_sizes
from synpic.rank.guards import require_columns
from synpic.rank.ranking import Ranking

__all__ = ["head_to_head", "win_rate_by_model"]


def head_to_head(ranking: Ranking) -> pl.DataFrame:
    """How often images of one model are preferred to another model's images of the same prompt.

    A pair is one image of each, of one prompt; ``beats`` is the share of pairs in which the first
    has the higher preference, and a tied pair is half a win for each side, whatever
    ``ranking.ties``. So the two rows of two models add up to 1.

    Returns:
        model, other (String), beats (Float64, 0 … 1), pairs (Int64, at least 1), ordered by model
        and other; two models that share no prompt have no row.

    Raises:
        RankingError: the ranking was made without the column ``model``, or with nulls in it.
    """
    models, half_wins, pairs = _meetings(ranking)
    met = [(a, b) for a in range(len(models)) for b in range(len(models)) if pairs[a, b] and a != b]
    return pl.DataFrame(
        {
            "model": [models[a] for a, _ in met],
            "other": [models[b] for _, b in met],
            "beats": [half_wins[at] / (2 * pairs[at]) for at in met],
            "pairs": [int(pairs[at]) for at in met],
        },
        schema={
            "model": pl.String,
            "other": pl.String,
            "beats": pl.Float64,
            "pairs": pl.Int64,
        },
    )


def win_rate_by_model(ranking: Ranking) -> pl.DataFrame:
    """What each model's images came to.

    Returns:
        One row per model, ordered by name:

        - ``model`` String
        - ``candidates`` Int64: its images in the ranking
        - ``mean_preference`` Float64: their mean, against all others of their prompts, images of
          the same model included
        - ``first`` Float64, 0 … 1: of the prompts it has an image of, the share in which one of its
          images holds rank 1; models that are tied there count each, so the column may add up to
          more than 1
        - ``beats`` Float64, 0 … 1: of all pairs of one of its images with another model's image of
          the same prompt, the share in which its own is preferred, ties counted half (as in
          ``head_to_head``); null when it meets no other model

    Raises:
        RankingError: the ranking was made without the column ``model``, or with nulls in it.
    """
    models, half_wins, pairs = _meetings(ranking)
    np.fill_diagonal(half_wins, 0)
    np.fill_diagonal(pairs, 0)
    rivals = zip(half_wins.sum(axis=1).tolist(), pairs.sum(axis=1).tolist(), strict=True)
    beats = pl.DataFrame(
        {"model": models, "beats": [won / (2 * met) if met else None for won, met in rivals]},
        schema={"model": pl.String, "beats": pl.Float64},
    )
    first = (
        ranking.table.group_by("model", "prompt_id")
        .agg((pl.col("rank") == 1).any().alias("first"))
        .group_by("model")
        .agg(pl.col("first").mean())
    )
    return (
        ranking.table.group_by("model")
        .agg(
            pl.len().cast(pl.Int64).alias("candidates"),
            pl.col("preference").mean().alias("mean_preference"),
        )
        .join(first, on="model")
        .join(beats, on="model")
        .sort("model")
    )


def _meetings(ranking: Ranking) -> tuple[list[str], Ints, Ints]:
    """Models in order of name, and ``Int[models, models]``: twice the wins, and the pairs."""
    require_columns(ranking.table, ("model",), "ranked candidates")
    if ranking.table["model"].null_count():
        raise RankingError(
            f"{ranking.table['model'].null_count()} ranked candidates have no model",
            hint="leave them out before ranking, or give them a model's name",
        )
    models = ranking.table["model"].unique().sort().to_list()
    half_wins = np.zeros(len(models) ** 2, np.int64)
    pairs = np.zeros(len(models) ** 2, np.int64)
    for one, other, outcome in _pairs(ranking.table, models):
        meeting = one * len(models) + other
        pairs += np.bincount(meeting, minlength=len(pairs))
        half_wins += np.bincount(meeting, outcome, minlength=len(pairs)).astype(np.int64)
    shape = (len(models), len(models))
    return models, half_wins.reshape(shape), pairs.reshape(shape)


def _pairs(table: pl.DataFrame, models: list[str]) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Every ordered pair of a prompt's candidates: two models, and 2, 1 or 0 for the first."""
    model = table["model"].cast(pl.Enum(models)).to_physical().to_numpy().astype(np.int64)
    preference = table["preference"].to_numpy()
    for rows in blocks(prompt_sizes(table["prompt_id"])):
        value, of_model = preference[rows], model[rows]
        for i in range(len(rows)):
            for j in range(len(rows)):
                if i != j:
                    outcome = 1.0 + (value[i] > value[j]) - (value[i] < value[j])
                    yield of_model[i], of_model[j], outcome
