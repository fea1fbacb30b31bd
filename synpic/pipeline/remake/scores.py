"""Scores that were published, and scores that were given again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from synpic.pipeline.remake.result import ComparedPart, Reason
from synpic.pipeline.remake.surroundings import reasons_of_surroundings

__all__ = ["compare_scores"]


def compare_scores(
    rows: pl.DataFrame,
    reward: str,
    there: Mapping[str, Mapping[str, Any]],
    here: Mapping[str, Mapping[str, Any]],
) -> ComparedPart:
    """The scores of one reward.

    Args:
        rows: of each image ``candidate_id``, ``score_<reward>`` as published, ``made_<reward>`` as
            given here (null where there is none), and ``same``, whether its pixels are.
        there, here: the environments in which the reward scored, by key.
    """
    was, now = pl.col(f"score_{reward}"), pl.col(f"made_{reward}")
    published = rows.filter(was.is_not_null())
    given = published.filter(now.is_not_null())
    apart = given.filter(was != now)
    by_pixels = apart.filter(~pl.col("same"))
    reasons = [Reason("the pixels differ", by_pixels.height)] if by_pixels.height else []
    if others := apart.height - by_pixels.height:
        reasons += _reasons(others, list(there.values()), list(here.values()))
    difference = (was.cast(pl.Float64) - now.cast(pl.Float64)).abs().max()
    return ComparedPart(
        compared=published.height,
        equal=given.height - apart.height,
        missing=published.height - given.height,
        largest=None if apart.is_empty() else apart.select(difference).item(),
        reasons=reasons,
        examples=apart["candidate_id"].sort().to_list(),
    )


def _reasons(
    number: int, there: Sequence[Mapping[str, Any]], here: Sequence[Mapping[str, Any]]
) -> list[Reason]:
    """Why scores of equal pixels differ, as far as it is recorded."""
    if len(there) == 1 and len(here) == 1:
        pairs = ([one] * number for one in (there[0], here[0]))
        if found := reasons_of_surroundings(*pairs):
            return found
    elif not there:
        return [Reason("the release does not say with which versions it scored", number)]
    elif any(one not in there for one in here) or len(there) > 1:
        return [Reason("the reward scored in several environments", number)]
    return [Reason("pixels, versions and device are the same, and no reason is recorded", number)]
