"""Kendall's τ-b of two orders of a prompt's candidates, of rewards or of people.

An order is a list with an entry for each of the k candidates: at i, ``Int8[k − 1 − i, m]``, whether
candidate i is above (1), below (−1) or neither (0) of each of those after it, in m prompts. Scores
make one, and so do comparisons of every pair, which need not be transitive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synpic.rank.blocks import Floats, Numbers, Signs, count_below
from synpic.rank.eligible import PromptBlock

__all__ = ["Order", "order_by", "orders_of", "tau_b", "wins_of"]

Order = Sequence[Signs]


def order_by(values: Numbers) -> Order:
    """The order that ``values`` ``[k, m]`` give, the higher above."""
    return [
        (one > values[i + 1 :]).astype(np.int8) - (one < values[i + 1 :]).astype(np.int8)
        for i, one in enumerate(values)
    ]


def orders_of(block: PromptBlock) -> dict[str, Order]:
    """The order of each reward, and of each source of comparisons that takes part in ``block``."""
    found = dict(zip(block.rewards, map(order_by, block.scores), strict=True))
    for name, one in block.compared.items():
        square = one.signs(block.rows)
        found[name] = [row[i + 1 :] for i, row in enumerate(square)]
    return found


def wins_of(block: PromptBlock) -> dict[str, Numbers]:
    """``Int[k, m]`` of each of the same: how many others of its prompt a candidate beats."""
    found: dict[str, Numbers] = dict(zip(block.rewards, count_below(block.scores), strict=True))
    for name, one in block.compared.items():
        found[name] = (one.signs(block.rows) > 0).sum(axis=1)
    return found


def tau_b(a: Order, b: Order) -> Floats:
    """τ-b of two orders of k candidates in m prompts: ``Float[m]``, NaN where one is all ties.

    τ-b = (concordant − discordant) / √(pairs untied in a · pairs untied in b).

    Source: Kendall, "The treatment of ties in ranking problems" (1945).
    """
    m = a[0].shape[1]
    balance, untied_a, untied_b = (np.zeros(m, np.int64) for _ in range(3))
    for sign_a, sign_b in zip(a, b, strict=True):
        balance += (sign_a * sign_b).sum(axis=0, dtype=np.int64)
        untied_a += np.count_nonzero(sign_a, axis=0)
        untied_b += np.count_nonzero(sign_b, axis=0)
    # One root each, and equal roots cancel: a reward has exactly 1 with itself.
    scale = np.sqrt((untied_a * untied_b).astype(np.float64))
    with np.errstate(invalid="ignore"):
        return balance / scale
