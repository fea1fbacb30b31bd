"""Strengths of three models or more, from which has the higher value on each item."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from synpic.evaluate.bootstrap import RESAMPLES, Floats, draw_again, number_units, percentiles
from synpic.evaluate.compare_models import Items
from synpic.evaluate.intervals import Estimate
from synpic.rank.bradley_terry import log_strengths_of_pairs

__all__ = ["Strength", "elo_points", "strengths"]

_MEAN, _PER_LOG = 1000.0, 400 / math.log(10)

# A side that no drawn set has winning would be infinitely weak; so it lies far out.
_LITTLE = 1e-3


@dataclass(frozen=True)
class Strength:
    """How strong a model is among those compared.

    Args:
        model: its name.
        points: on the scale of chess ratings, whose mean is 1000: one of 400 more wins 10 of 11.
    """

    model: str
    points: Estimate


def strengths(items: Items, *, fingerprint: str, resamples: int = RESAMPLES) -> list[Strength]:
    """Bradley–Terry strengths of all models, in the order of ``items``, by maximum likelihood.

    On an item that two models have a value of, the one with the higher wins; a tie is half a win
    for each. Intervals are of 95 %, by bootstrap over units.

    Args:
        items: of at least two models.
        fingerprint: of the evaluation; the seed.

    Returns:
        Without a value where the strengths are not finite: a model, or several together, won all
        or nothing against the rest, or was not compared with them.

    Source: Bradley and Terry (1952); the scale is Elo's.
    """
    models = list(items.values)
    wins, compared = _wins(items)
    k = len(models)
    total = wins.sum(axis=0).reshape(k, k)
    clusters = int((compared > 0).sum())
    n = int(compared.sum())
    if not _finite(total):
        return [Strength(model, Estimate(None, None, None, n, clusters)) for model in models]
    values = elo_points(total[:, :, None])[:, 0]
    drawn = draw_again(len(wins), resamples, fingerprint, "strengths").sums(wins)
    sets = drawn.T.reshape(k, k, -1)
    met = (total + total.T > 0)[:, :, None]
    low, high = percentiles(elo_points(np.where(met, np.maximum(sets, _LITTLE), 0)).T)
    return [
        Strength(model, Estimate(float(values[at]), float(low[at]), float(high[at]), n, clusters))
        for at, model in enumerate(models)
    ]


def _wins(items: Items) -> tuple[Floats, Floats]:
    """Of each unit: wins of each over each, ``Float[u, k·k]``; and comparisons, ``Float[u]``."""
    numbers = number_units(items.units)
    unit = [numbers[one] for one in items.units]
    values = np.stack([np.asarray(found, np.float64) for found in items.values.values()])
    k = len(values)
    wins, compared = np.zeros((len(numbers), k, k)), np.zeros(len(numbers))
    for one, other in itertools.combinations(range(k), 2):
        difference = values[one] - values[other]
        there = ~np.isnan(difference)
        won = np.where(there, (np.sign(difference) + 1) / 2, 0)
        np.add.at(wins[:, one, other], unit, won)
        np.add.at(wins[:, other, one], unit, np.where(there, 1 - won, 0))
        np.add.at(compared, unit, there)
    return wins.reshape(len(numbers), k * k), compared


def _finite(wins: Floats) -> bool:
    """Whether from each model a way of wins leads to each other one (Ford, 1957)."""
    from scipy.sparse.csgraph import connected_components

    found, _ = connected_components(wins > 0, directed=True, connection="strong")
    return bool(found == 1)


def elo_points(wins: Floats) -> Floats:
    """Bradley–Terry strengths on the scale of chess ratings: of mean 1000, 400 are odds of 10 to 1.

    Args:
        wins: ``Float[k, k, m]``, as :func:`synpic.rank.bradley_terry.log_strengths_of_pairs` takes
            them.

    Returns:
        ``Float[k, m]``.
    """
    points: Floats = _MEAN + _PER_LOG * log_strengths_of_pairs(wins)
    return points
