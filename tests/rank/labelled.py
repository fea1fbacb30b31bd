"""Labels of pairs for the tests of this folder, and what they say, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import polars as pl
from hypothesis import strategies as st

__all__ = ["LABELS", "Votes", "beats", "label_rows", "labels_of", "votes_of"]

Votes = Mapping[tuple[str, str], Fraction]
"""(image, other) → the share of the votes on the two that the image has; both ways round."""

LABELS = {"left": pl.String, "right": pl.String, "share": pl.Float32, "n": pl.Int32}

SHARES = [0.0, 0.25, 0.5, 0.625, 1.0]


def labels_of(rows: Sequence[tuple[str, str, float | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=LABELS, orient="row").with_columns(question=pl.lit("overall"))


@st.composite
def label_rows(draw: st.DrawFn, table: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Of each prompt every pair, some pairs or none, some twice and some from the other side."""
    rows: list[tuple[Any, ...]] = []
    for (_,), prompt in table.group_by("prompt_id", maintain_order=True):
        pairs = list(combinations(sorted(prompt["candidate_id"]), 2))
        how = draw(st.sampled_from(["every", "every", "some", "none"]))
        for pair in pairs:
            times = {"every": st.integers(1, 2), "some": st.integers(0, 1), "none": st.just(0)}
            for _ in range(draw(times[how])):
                left, right = pair if draw(st.booleans()) else pair[::-1]
                votes = draw(st.sampled_from([None, 1, 2, 5]))
                rows.append((left, right, draw(st.sampled_from(SHARES)), votes))
            if draw(st.booleans()):
                rows.append((*pair, None, 3))  # shown, and not answered
    if rows:
        rows.append((rows[0][0], "no such image", 1.0, 1))
    return rows


def votes_of(rows: Sequence[tuple[Any, ...]]) -> Votes:
    total: dict[tuple[str, str], list[tuple[Fraction, int]]] = {}
    for left, right, share, n in rows:
        if share is not None:
            votes = 1 if n is None else n
            total.setdefault((left, right), []).append((Fraction(share), votes))
            total.setdefault((right, left), []).append((1 - Fraction(share), votes))
    return {
        pair: Fraction(sum(share * n for share, n in given), sum(n for _, n in given))
        for pair, given in total.items()
    }


def beats(votes: Votes, one: str, other: str, tie: float) -> bool:
    return votes[one, other] - Fraction(1, 2) > Fraction(str(tie))
