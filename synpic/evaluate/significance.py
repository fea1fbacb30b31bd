"""Whether a mean difference is more than chance, of one and of many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synpic.evaluate.bootstrap import RESAMPLES, Floats

__all__ = ["holm", "sign_flip_p"]


def sign_flip_p(differences: Floats, flips: int = RESAMPLES) -> float:
    """The two-sided p of the test that paired differences are as often above 0 as below.

    Each unit's difference keeps or changes its sign at random: in all ways where these are at most
    ``flips``, else in ``flips`` of them. What is compared is the mean.

    Args:
        differences: ``Float[u]``, finite, one of each unit.

    Returns:
        Above 0, at most 1; 1 where fewer than two units differ.

    Source: Fisher, "The Design of Experiments" (1935), §21; by ``scipy.stats.permutation_test``.
    """
    apart = differences[differences != 0]
    if len(apart) < 2:
        return 1.0
    from scipy.stats import permutation_test

    def mean(values: Floats, axis: int) -> Floats:
        found: Floats = values.mean(axis=axis)
        return found

    # Of one sample, SciPy's permutations of "samples" are those of the signs.
    found = permutation_test(
        (apart,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=flips,
        batch=max(1, (1 << 22) // len(apart)),
        rng=np.random.default_rng(0),
    )
    return float(min(1.0, found.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for how many there are: below α at once with a chance of at most α.

    Args:
        p_values: of m tests, in any order.

    Returns:
        In the same order: the i-th smallest times m − i + 1, no less than those before, at most 1.

    Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).
    """
    found, highest = [0.0] * len(p_values), 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[at] * (len(p_values) - place)))
        found[at] = highest
    return found
