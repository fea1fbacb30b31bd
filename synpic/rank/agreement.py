"""How far rewards agree on the order of a prompt's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from synpic.rank.blocks import Floats, Ints, Numbers, count_below
from synpic.rank.eligible import eligible
from synpic.rank.guards import require_rewards
from synpic.rank.weights import exact_weights, weighted_sum

__all__ = ["agreement", "leave_one_out", "tau_b"]


def agreement(scored: pl.DataFrame, rewards: Sequence[str]) -> pl.DataFrame:
    """Kendall's τ-b of every two rewards, a mean over prompts.

    Per prompt it is taken over the candidates that have all of ``rewards``, at least two of them;
    the mean is over the prompts in which both rewards distinguish at least one pair, and null where
    there is none. 1 is the same order, −1 the opposite.

    Returns:
        reward_a, reward_b (String), tau (Float64, −1 … 1), prompts (Int64, in the mean): one row
        for every ordered pair in the order of ``rewards``, a reward with itself (1) included.

    Raises:
        RankingError, RewardError: as ``rank``.

    Source: Kendall, "The treatment of ties in ranking problems" (1945).
    """
    ready = eligible(scored, rewards)
    n = len(rewards)
    sums = np.zeros((n, n))
    prompts = np.zeros((n, n), np.int64)
    for _, scores in ready.blocks():
        for a in range(n):
            for b in range(a, n):
                _add(sums, prompts, (a, b), tau_b(scores[a], scores[b]))
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


def leave_one_out(scored: pl.DataFrame, weights: Mapping[str, float]) -> pl.DataFrame:
    """Kendall's τ-b of each reward with φ of all the others, a mean over prompts.

    φ is the ``win-rate`` of the other rewards with their weights, its ties exact. Which candidates
    and prompts take part is as in ``agreement``: those with every reward, and a distinguished pair
    on both sides. A reward far below the rest ranks by something else than they do.

    Returns:
        reward (String), tau (Float64, null without prompts), prompts (Int64, in the mean); no row
        where there is one reward alone, which has no others.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    rewards = list(weights)
    require_rewards(scored, rewards)
    if len(rewards) < 2:
        return pl.DataFrame(schema={"reward": pl.String, "tau": pl.Float64, "prompts": pl.Int64})
    exact = exact_weights(weights)
    ready = eligible(scored, rewards)
    exact.require_exact(int(ready.sizes.max(initial=0)))
    sums = np.zeros(len(rewards))
    prompts = np.zeros(len(rewards), np.int64)
    for _, scores in ready.blocks():
        wins = count_below(scores)
        points = weighted_sum(exact.integers, wins)
        for at, weight in enumerate(exact.integers):
            others = points - weight * wins[at]
            _add(sums, prompts, (at,), tau_b(scores[at], others))
    return pl.DataFrame(
        {
            "reward": rewards,
            "tau": [_mean(sums[at], prompts[at]) for at in range(len(rewards))],
            "prompts": prompts,
        },
        schema_overrides={"tau": pl.Float64},
    )


def tau_b(a: Numbers, b: Numbers) -> Floats:
    """τ-b of two orders of k candidates, ``[k, m]`` each: ``Float[m]``, NaN where one is all ties.

    τ-b = (concordant − discordant) / √(pairs untied in a · pairs untied in b).
    """
    m = a.shape[1]
    balance, untied_a, untied_b = (np.zeros(m, np.int64) for _ in range(3))
    for i in range(len(a)):
        sign_a, sign_b = _sign(a[i], a[i + 1 :]), _sign(b[i], b[i + 1 :])
        balance += (sign_a * sign_b).sum(axis=0, dtype=np.int64)
        untied_a += np.count_nonzero(sign_a, axis=0)
        untied_b += np.count_nonzero(sign_b, axis=0)
    # One root each, and equal roots cancel: a reward has exactly 1 with itself.
    scale = np.sqrt((untied_a * untied_b).astype(np.float64))
    with np.errstate(invalid="ignore"):
        return balance / scale


def _sign(one: Numbers, others: Numbers) -> npt.NDArray[np.int8]:
    return (one > others).astype(np.int8) - (one < others).astype(np.int8)


def _add(sums: Floats, prompts: Ints, at: tuple[int, ...], tau: Floats) -> None:
    defined = ~np.isnan(tau)
    sums[at] += tau[defined].sum()
    prompts[at] += defined.sum()


def _mean(total: float, prompts: np.int64) -> float | None:
    return float(total / prompts) if prompts else None
