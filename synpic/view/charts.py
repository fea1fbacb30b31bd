"""What the charts beside the rows show: of all prompts, or of those that a query keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from synpic.view.frame import Frame

__all__ = ["charts"]

BINS = 24
OF_PROMPTS = ("agreement", "margin", "length")


def charts(frame: Frame, prompt_ids: pl.Series | None = None) -> dict[str, Any]:
    """Counts and means, as JSON-like data.

    Args:
        prompt_ids: of these prompts; of all if None.

    Returns:
        - ``models``: name, ``first`` (share of prompts in which it holds rank 1) and
          ``preference`` (mean φ), in the order of all prompts
        - ``agreement``: ``a``, ``b`` and ``tau``, the mean over prompts, of every two rewards
        - ``histograms``: ``name``, ``edges`` (bins + 1) and ``counts``, of φ's margin, agreement,
          length, and each reward's scores. Edges are those of all prompts.
    """
    scores = [f"score_{reward}" for reward in frame.shown.rewards]
    # What is charted and no more: of all columns a copy takes a hundred megabytes.
    plain = [name for name in frame.prompts.columns if name.startswith("tau.")]
    plain += [name for name in OF_PROMPTS if name in frame.prompts.columns]
    prompts = frame.prompts.select(plain)
    candidates = frame.shown.candidates.select("model", "rank", "preference", *scores)
    candidates = candidates.with_columns(prompt=frame.prompt_of)
    if prompt_ids is not None:
        kept = frame.prompts["prompt_id"].is_in(prompt_ids.implode())
        prompts, candidates = prompts.filter(kept), candidates.filter(kept.gather(frame.prompt_of))
    histograms = [
        *(_histogram(name, frame.prompts, prompts) for name in OF_PROMPTS),
        *(_histogram(name, frame.shown.candidates, candidates) for name in scores),
    ]
    return {
        "models": _models(frame, candidates),
        "agreement": _agreement(prompts),
        "histograms": [one for one in histograms if one is not None],
    }


def _models(frame: Frame, candidates: pl.DataFrame) -> list[dict[str, Any]]:
    ranked = candidates.filter(pl.col("rank").is_not_null())
    prompts = max(1, ranked["prompt"].n_unique())
    shares = ranked.group_by("model").agg(
        first=pl.col("prompt").filter(pl.col("rank") == 1).n_unique() / prompts,
        preference=pl.col("preference").mean(),
    )
    order = frame.models.select("model")
    return order.join(shares, on="model", how="left", maintain_order="left").to_dicts()


def _agreement(prompts: pl.DataFrame) -> list[dict[str, Any]]:
    names = [name for name in prompts.columns if name.startswith("tau.")]
    means = prompts.select(pl.col(names).mean()).row(0) if names else ()
    return [
        {"a": name.split(".")[1], "b": name.split(".")[2], "tau": mean}
        for name, mean in zip(names, means, strict=True)
    ]


def _histogram(name: str, every: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Any] | None:
    if name not in every.columns or every[name].count() == 0:
        return None
    low, high = float(every[name].min()), float(every[name].max())  # type: ignore[arg-type]
    if low == high:
        low, high = low - 0.5, high + 0.5
    values = rows[name].drop_nulls().to_numpy()
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    return {"name": name, "edges": edges.tolist(), "counts": counts.tolist()}
