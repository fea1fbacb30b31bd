"""Strengths of a Bradley–Terry model: of pairs compared equally often, and of any pairs."""

from __future__ import annotations

import numpy as np

from synpic.rank.blocks import Floats

__all__ = ["log_strengths", "log_strengths_of_pairs"]

_CONVERGED = 1e-12
_MAX_ROUNDS = 10_000


def log_strengths(wins: Floats, comparisons: float) -> Floats:
    """Maximum-likelihood log strengths θ of the k candidates of each prompt, their mean 0.

    The model is P(i beats j) = π_i / (π_i + π_j), π = exp(θ). Where every pair was compared
    ``comparisons`` times, the likelihood depends on each candidate's total of wins alone, and
    Zermelo's iteration π_i ← wins_i / Σ_{j≠i} comparisons / (π_i + π_j) ends in its maximum.

    Args:
        wins: ``Float[k, m]``, each strictly between 0 and ``comparisons · (k − 1)``; each prompt's
            sum is ``comparisons · k (k − 1) / 2``.
        comparisons: greater than 0, of each pair.

    Returns:
        ``Float[k, m]``, to about 1e-11; equal wins have strengths that equal to rounding.

    Source: Zermelo (1929); Hunter, "MM algorithms for generalized Bradley–Terry models" (2004).
    """
    # Few rewards have few outcomes: a thousand prompts share some dozens of win totals.
    by_wins = np.argsort(wins, axis=0, kind="stable")
    totals, outcome = np.unique(
        np.take_along_axis(wins, by_wins, axis=0), axis=1, return_inverse=True
    )
    theta = np.empty(wins.shape, np.float64)
    np.put_along_axis(theta, by_wins, _fit(totals, comparisons)[:, outcome.ravel()], axis=0)
    return theta


def _fit(wins: Floats, comparisons: float) -> Floats:
    theta = np.zeros(wins.shape, np.float64)
    open_ = np.arange(wins.shape[1])  # prompts that have not converged yet
    for _ in range(_MAX_ROUNDS):
        if not len(open_):
            break
        strength = np.exp(theta[:, open_])
        spread = -1 / (2 * strength)  # takes back the pair (i, i) that the sum counts
        for other in strength:
            spread += 1 / (strength + other)
        better = np.log(wins[:, open_] / (comparisons * spread))
        better -= better.mean(axis=0)
        change = np.abs(better - theta[:, open_]).max(axis=0)
        theta[:, open_] = better
        open_ = open_[change > _CONVERGED]
    return theta


def log_strengths_of_pairs(wins: Floats) -> Floats:
    """Maximum-likelihood log strengths θ, mean 0, where pairs were compared any number of times.

    The model is that of :func:`log_strengths`. Newton's method on the concave likelihood, each step
    times log(1 + r) / r, where r is its span over the candidates: with that factor a step never
    lowers the likelihood, and near the maximum steps are whole.

    Args:
        wins: ``Float[k, k, m]``, at (i, j) how often i beat j (fractions are fine), 0 on the
            diagonal. The pairs that were compared connect all k candidates, and of each of them
            both sides have won a little.

    Returns:
        ``Float[k, m]``, to about 1e-11.

    Source: Bradley and Terry (1952); the factor is that of Sun and Tran-Dinh, "Generalized
        self-concordant functions" (2019), for ν = 2.
    """
    k = wins.shape[0]
    theta = np.zeros(wins.shape[1:], np.float64)
    compared = wins + wins.transpose(1, 0, 2)
    open_ = np.arange(wins.shape[2])
    for _ in range(_MAX_ROUNDS):
        if not len(open_):
            break
        at, met = theta[:, open_], compared[:, :, open_]
        chance = 1 / (1 + np.exp(at[None, :] - at[:, None]))
        gradient = (wins[:, :, open_] - met * chance).sum(axis=1)
        weight = met * chance * (1 - chance)
        # The Laplacian of the pairs; ones in it fix the mean, which the likelihood leaves open.
        laplacian = np.ones((k, k)) - weight.transpose(2, 0, 1)
        diagonal = np.arange(k)
        laplacian[:, diagonal, diagonal] += weight.sum(axis=1).T
        step = np.linalg.solve(laplacian, gradient.T[:, :, None])[:, :, 0].T
        span = np.ptp(step, axis=0)
        theta[:, open_] += step * np.where(
            span > 0, np.log1p(span) / np.where(span > 0, span, 1), 1
        )
        open_ = open_[span > _CONVERGED]
    centred: Floats = theta - theta.mean(axis=0)
    return centred
