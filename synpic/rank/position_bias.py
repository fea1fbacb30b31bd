"""How much a comparer's answers depend on which of two images comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from synpic.rank.guards import require_columns

__all__ = ["PositionBias"]

_STRONG = 0.5


@dataclass(frozen=True)
class PositionBias:
    """Of pairs of different images, each asked in both orders.

    Args:
        pairs: how many there are.
        bias: −1 … 1, the mean of P(left better, asked first) − P(left better, asked second): 0
            where the order does not matter, 1 where the first image always wins, −1 where the
            second does.
        turned: 0 … 1, the share of pairs of which either image wins when it is in the same place.
    """

    pairs: int
    bias: float
    turned: float

    @classmethod
    def of(cls, rows: pl.DataFrame) -> PositionBias | None:
        """That of rows of the table of comparisons; None where no two different images were asked.

        Raises:
            RankingError: a column is missing.
        """
        needed = ("sha256_left", "sha256_right", "p_forward", "p_backward")
        require_columns(rows, needed, "comparisons")
        asked = rows.filter(pl.col("sha256_left") != pl.col("sha256_right"))
        if asked.is_empty():
            return None
        forward, backward = (asked[name].cast(pl.Float64).to_numpy() for name in needed[2:])
        turned = (forward - 0.5) * (backward - 0.5) < 0
        return cls(asked.height, float(np.mean(forward - backward)), float(np.mean(turned)))

    @property
    def strong(self) -> bool:
        """Whether answers tell more of the order than of the images."""
        return abs(self.bias) >= _STRONG or self.turned >= _STRONG

    @property
    def described(self) -> str:
        """In words: "position bias +0.12 (1: the first image always wins); the order decides 8%
        (pairs: 1,200)"."""
        bias = round(self.bias, 2) or 0.0  # and no −0
        end, favoured = ("−1", "second") if bias < 0 else ("1", "first")
        return (
            f"position bias {bias:+.2f} ({end}: the {favoured} image always wins); the order "
            f"decides {self.turned:.0%} (pairs: {self.pairs:,})"
        )
