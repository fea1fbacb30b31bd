"""An aggregation: an image is as good as the reward that thinks least of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synpic.rank import Aggregation, Preference

__all__ = ["STRICTEST"]


def strictest(scores: npt.NDArray[np.floating], weights: npt.NDArray[np.integer]) -> Preference:
    """min over l of C_l(i) / (k − 1), in [0, 1]; weights play no part.

    C_l(i) counts the candidates that i strictly beats under reward l. A candidate is preferred when
    no reward puts it low. Tied: equal least counts, compared in integers.

    Source: the maximin rule of social choice, on ranks.
    """
    beaten = (scores[:, :, None, :] > scores[:, None, :, :]).sum(axis=2)
    least = beaten.min(axis=0)
    return Preference(least, least / (scores.shape[1] - 1))


STRICTEST = Aggregation(
    "strictest",
    strictest,
    summary="share of wins under the reward that gives fewest",
    range="0 … 1",
)
