"""Pairs of a chosen and a rejected image, derived from rankings while they are read.

Published pairs are one way to pair a ranking. Here any strategy is a list of row numbers over the
rankings themselves: no image is copied, and no dataset has to be published for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import polars as pl

from synpic.errors import ReleaseError
from synpic.rank import pairs as pick
from synpic.readers.display import count

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["Pairs", "pairs"]

_OF_PROMPT = ("prompt_id", "prompt")
_OF_IMAGE = {"candidate_ids": "id", "models": "model", "preference": "preference"}
_SIDES = ("chosen", "rejected")


def pairs(rankings: Dataset, strategy: str = "best-worst") -> Pairs:
    """The pairs that ``strategy`` picks from each row of ``rankings``; a tie never makes a pair.

    Args:
        rankings: rows of ``ranked``, of any k: a ``Dataset`` as ``load_rankings(…, split=…)``
            gives it, or what its ``select``, ``filter`` or ``shuffle`` made of it.
        strategy: "best-worst", "best-rest", "all", "adjacent" or "random"; see
            :func:`synpic.rank.pairs`.
            Order and ties are those of ``preference``, as published.

    Returns:
        Pairs in the order of ``rankings``. Of published rankings, with the recipe's strategy, they
        are the rows of the config ``pairwise``; but ``label_source`` is None where people rank,
        since rankings alone do not say whether rewards rank beside them.

    Raises:
        ReleaseError: these are no rankings.
        RankingError: an unknown strategy.
    """
    columns = getattr(rankings, "column_names", None)
    if not isinstance(columns, list):
        raise ReleaseError(
            f"pairs() takes the rows of one split, not a {type(rankings).__name__}",
            hint="load_rankings(…, split='train')",
        )
    needed = [*_OF_PROMPT, *_OF_IMAGE]
    for name in needed:
        if name not in columns:
            raise ReleaseError(
                f"these are no rankings: there is no column {name!r}",
                hint="load the config `ranked`",
            )
    arrow = rankings.select_columns(needed).with_format("arrow")[:]
    rows = pl.DataFrame(pl.from_arrow(arrow.replace_schema_metadata())).with_row_index("row")
    images = (
        rows.select("row", *_OF_IMAGE)
        .explode(*_OF_IMAGE)
        .with_columns(place=pl.int_range(pl.len()).over("row"))
    )
    # A row is a group of its own: rows may have been shuffled, and be there twice.
    groups = images.rename({"row": "prompt_id", "candidate_ids": "candidate_id"})
    picked = pick(groups, strategy).rename({"prompt_id": "row"})
    people = any(name.startswith("wins_") for name in columns)
    table = picked.with_columns(label_source=pl.lit(None if people else "rewards", pl.String))
    for side in _SIDES:
        of_side = images.select(
            "row",
            pl.col("candidate_ids").alias(f"{side}_id"),
            pl.col("models").alias(f"{side}_model"),
            pl.col("place").alias(f"{side}_place"),
        )
        table = table.join(of_side, on=["row", f"{side}_id"], how="left", maintain_order="left")
    table = table.join(rows.select("row", *_OF_PROMPT), on="row", maintain_order="left")
    return Pairs(rankings, table)


class Pairs(Sequence[dict[str, Any]]):
    """Pairs over rankings, with the columns of the config ``pairwise``.

    A map-style dataset: ``len(pairs)``, ``pairs[7]``, ``torch.utils.data.DataLoader(pairs, …)``.
    The two images of a pair are read and decoded when the pair is asked for, and no other image of
    its prompt is. ``pairs[:100]`` and ``pairs.select(rows)`` are ``Pairs`` too.

    Use :func:`pairs` to make one.
    """

    column_names = (
        *("prompt_id", "prompt", "chosen", "rejected", "chosen_id", "rejected_id"),
        *("chosen_model", "rejected_model", "chosen_preference", "rejected_preference"),
        *("margin", "strategy", "label_source"),
    )

    def __init__(self, rankings: Dataset, table: pl.DataFrame) -> None:
        self._rankings = rankings
        self._table = table
        # A view of one column each: asking a whole row of it would decode all its images.
        self._images = [
            rankings.select_columns([name])
            for name in rankings.column_names
            if name.startswith("image_")
        ]

    def __len__(self) -> int:
        return self._table.height

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, key: slice) -> Pairs: ...

    def __getitem__(self, key: int | slice) -> dict[str, Any] | Pairs:
        """A pair as a dict of ``column_names``, or the pairs of a slice."""
        if isinstance(key, slice):
            return Pairs(self._rankings, self._table[key])
        if not -len(self) <= key < len(self):
            raise IndexError(f"pair {key} of {len(self)}")
        row = self._table.row(key, named=True)
        for side in _SIDES:
            place = row[f"{side}_place"]
            row[side] = self._images[place][row["row"]][f"image_{place}"]
        return {name: row[name] for name in self.column_names}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[number] for number in range(len(self)))

    def select(self, rows: Sequence[int]) -> Pairs:
        """The pairs of those numbers, in that order."""
        return Pairs(self._rankings, self._table[list(rows)])

    def table(self) -> pl.DataFrame:
        """All pairs without images: the other columns of ``column_names``, a row per pair."""
        return self._table.select(name for name in self.column_names if name not in _SIDES)

    def __repr__(self) -> str:
        return f"Pairs({count(len(self), 'pair')} of {count(self._rankings.num_rows, 'ranking')})"
