"""A ragged table as a few dense arrays: prompts with equally many candidates, side by side.

Candidates lie along the first axis and prompts along the last, so that the work over pairs of
candidates is a short loop of operations on long contiguous vectors, however small k is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = [
    "Booleans",
    "Floats",
    "Ints",
    "Numbers",
    "Signs",
    "blocks",
    "count_below",
    "prompt_sizes",
    "signs",
    "starts_of",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Signs = npt.NDArray[np.int8]
Numbers = npt.NDArray[Any]

_BLOCK_ROWS = 1 << 18  # bounds memory; larger is slower, out of the processor's cache


def prompt_sizes(prompt_ids: pl.Series) -> Ints:
    """How many rows each prompt has, in order: ``Int[prompts]``; equal ids must be adjacent."""
    if prompt_ids.is_empty():
        return np.zeros(0, np.int64)
    return prompt_ids.rle().struct.field("len").to_numpy().astype(np.int64)


def starts_of(sizes: Ints) -> Ints:
    """The first row of each prompt, where the rows of prompts follow one another."""
    starts: Ints = np.cumsum(sizes) - sizes
    return starts


def blocks(sizes: Ints, starts: Ints | None = None) -> Iterator[Ints]:
    """Row numbers ``Int[k, m]`` of m prompts that have k rows each, until every row was given once.

    Args:
        sizes: ``Int[prompts]``, the rows of each prompt.
        starts: ``Int[prompts]``, the first row of each, rising; if None, they follow one another.
    """
    starts = starts_of(sizes) if starts is None else starts
    for k in np.unique(sizes).tolist():
        starts_of_k = starts[sizes == k]
        step = max(1, _BLOCK_ROWS // k)
        for first in range(0, len(starts_of_k), step):
            yield np.arange(k)[:, None] + starts_of_k[first : first + step]


def count_below(values: Numbers) -> npt.NDArray[np.int32]:
    """For each candidate, how many others of its prompt lie strictly below it.

    Args:
        values: ``[..., k, m]``.

    Returns:
        ``Int[..., k, m]`` in 0 … k − 1.
    """
    below = np.zeros(values.shape, np.int32)
    for other in range(values.shape[-2]):
        below += values > values[..., other, None, :]
    return below


def signs(values: Numbers) -> Signs:
    """Which of every two candidates of a prompt lies higher.

    Args:
        values: ``[..., k, m]``.

    Returns:
        ``Int8[..., k, k, m]``: at (i, j) 1 where i lies strictly above j, −1 below, else 0.
    """
    one, other = values[..., :, None, :], values[..., None, :, :]
    return (one > other).astype(np.int8) - (one < other).astype(np.int8)
