"""The candidates of a prompt that comparisons connect, where nothing else tells them apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from synpic.rank.blocks import Booleans, Ints
from synpic.rank.comparisons import Located

__all__ = ["largest_part"]


def largest_part(located: Iterable[Located], sizes: Ints) -> Booleans:
    """Which rows are in the largest connected part of their prompt.

    Candidates are connected by a comparison of any source, and through other candidates. Of parts
    with equally many candidates, the one with more comparisons counts, and then the one whose first
    candidate stands first.

    Args:
        located: the comparisons of each source; at least one.
        sizes: ``Int[prompts]``, the rows of each prompt, which follow one another.

    Returns:
        ``Bool[rows]``; none of a prompt without a comparison.
    """
    ends = [(one.one, one.other) for one in located]
    one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
    size = int(sizes.sum())
    part = _parts(one, other, size)
    members = np.bincount(part, minlength=size)
    compared = np.bincount(part[one], minlength=size)
    prompt = np.repeat(np.arange(len(sizes)), sizes)
    first = np.flatnonzero(compared)  # A part goes by its first row.
    order = first[np.lexsort((first, -compared[first], -members[first], prompt[first]))]
    _, places = np.unique(prompt[order], return_index=True)
    found: Booleans = np.isin(part, order[places])
    return found


def _parts(one: Ints, other: Ints, size: int) -> Ints:
    """``Int[rows]``: the first row of the part that each row is in."""
    part = np.arange(size)
    while True:
        least = np.minimum(part[one], part[other])
        lower = part.copy()
        for rows in (part[one], part[other]):
            np.minimum.at(lower, rows, least)
        lower = lower[lower]
        if (lower == part).all():
            return part
        part = lower
