"""How far rewards, and people beside them, agree on the order of a prompt's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from synpic.rank.blocks import Floats, Ints
from synpic.rank.comparisons import NO_COMPARISONS, Comparisons
from synpic.rank.eligible import eligible, require_judges
from synpic.rank.kendall import order_by, orders_of, tau_b, wins_of
from synpic.rank.weights import exact_weights

__all__ = ["agreement", "leave_one_out"]


def agreement(
    scored: pl.DataFrame,
    rewards: Sequence[str],
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> pl.DataFrame:
    """Kendall's τ-b of every two rewards, a mean over prompts.

    Per prompt it is taken over the candidates that have all of ``rewards``, at least two of them;
    the mean is over the prompts in which both rewards distinguish at least one pair, and null where
    there is none. 1 is the same order, −1 the opposite. A source of comparisons is one more reward
    in the prompts where it compared every pair; its order is what it says of the pairs.

    Args:
        scored: prompt_id, candidate_id and ``score_<reward>``.
        rewards: names of rewards, and of ``comparisons``.
        comparisons: by name, sources of comparisons; those that ``rewards`` does not name are not
            used.

    Returns:
        reward_a, reward_b (String), tau (Float64, −1 … 1), prompts (Int64, in the mean): one row
        for every ordered pair in the order of ``rewards``, a reward with itself (1) included.

    Raises:
        RankingError, RewardError: as ``rank``.

    Source: Kendall, "The treatment of ties in ranking problems" (1945).
    """
    ready = eligible(scored, rewards, comparisons)
    n = len(rewards)
    sums = np.zeros((n, n))
    prompts = np.zeros((n, n), np.int64)
    for block in ready.blocks():
        orders = orders_of(block)
        there = [at for at, name in enumerate(rewards) if name in orders]
        for a in there:
            for b in there:
                if a <= b:
                    _add(sums, prompts, (a, b), tau_b(orders[rewards[a]], orders[rewards[b]]))
    pairs = [(a, b) for a in range(n) for b in range(n)]
    upper = [(min(pair), max(pair)) for pair in pairs]
    return pl.DataFrame(
        {
            "reward_a": [rewards[a] for a, _ in pairs],
            "reward_b": [rewards[b] for _, b in pairs],
            "tau": [_mean(sums[at], prompts[at]) for at in upper],
            "prompts": [int(prompts[at]) for at in upper],
        },
        schema_overrides={"tau": pl.Float64},
    )


def leave_one_out(
    scored: pl.DataFrame,
    weights: Mapping[str, float],
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> pl.DataFrame:
    """Kendall's τ-b of each reward with φ of all the others, a mean over prompts.

    φ is the ``win-rate`` of the other rewards with their weights, its ties exact. Which candidates
    and prompts take part is as in ``agreement``: those with every reward, and a distinguished pair
    on both sides. A reward far below the rest ranks by something else than they do. A source of
    comparisons is one more reward where it compared every pair.

    Returns:
        reward (String), tau (Float64, null without prompts), prompts (Int64, in the mean); no row
        where there is one reward alone, which has no others.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    rewards = list(weights)
    require_judges(scored, rewards, comparisons)
    if len(rewards) < 2:
        return pl.DataFrame(schema={"reward": pl.String, "tau": pl.Float64, "prompts": pl.Int64})
    exact = exact_weights(weights)
    integer = dict(zip(rewards, exact.integers.tolist(), strict=True))
    ready = eligible(scored, rewards, comparisons)
    exact.require_exact(int(ready.sizes.max(initial=0)))
    sums = np.zeros(len(rewards))
    prompts = np.zeros(len(rewards), np.int64)
    for block in ready.blocks():
        orders, wins = orders_of(block), wins_of(block)
        points = sum(integer[name] * won.astype(np.int64) for name, won in wins.items())
        for at, name in enumerate(rewards):
            if name in orders:
                others = points - integer[name] * wins[name]
                _add(sums, prompts, (at,), tau_b(orders[name], order_by(others)))
    return pl.DataFrame(
        {
            "reward": rewards,
            "tau": [_mean(sums[at], prompts[at]) for at in range(len(rewards))],
            "prompts": prompts,
        },
        schema_overrides={"tau": pl.Float64},
    )


def _add(sums: Floats, prompts: Ints, at: tuple[int, ...], tau: Floats) -> None:
    defined = ~np.isnan(tau)
    sums[at] += tau[defined].sum()
    prompts[at] += defined.sum()


def _mean(total: float, prompts: np.int64) -> float | None:
    return float(total / prompts) if prompts else None
