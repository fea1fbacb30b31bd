"""Chunks of a release: prompts that every model draws in the same batches, and a sample of them.

Batches are cut from the list of prompts: of a model that draws 8 images at once, prompts 0 to 7
belong together, then 8 to 15. A chunk is as many prompts as the least common multiple of all
models' batch sizes, so that each model draws whole batches of it: a chunk that is drawn by itself
has the batches of the first time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from synpic import ids
from synpic.errors import ReleaseError

__all__ = ["POSITION", "ChunkSample", "chunk_prompts", "sample_chunks"]

POSITION = "position"
"""The column of ``scores`` that has the place of a prompt in the order of drawing."""


def chunk_prompts(batch_sizes: Iterable[int]) -> int | None:
    """How many prompts a chunk has; None where no batch is known."""
    sizes = list(batch_sizes)
    return math.lcm(*sizes) if sizes else None


@dataclass(frozen=True, eq=False)
class ChunkSample:
    """Some chunks of a release, whole.

    Args:
        size: prompts of a chunk.
        chunks: how many were chosen, and ``of`` how many.
        prompts: ``position`` and what else was given of each prompt of them, in the order in which
            they are to be drawn: first the chunks whose prompts are all there, by their hash.
        lacking: prompts of these chunks that the release does not have.
    """

    size: int
    chunks: int
    of: int
    prompts: pl.DataFrame
    lacking: int


def sample_chunks(prompts: pl.DataFrame, size: int, wanted: int, share: float) -> ChunkSample:
    """A share of the chunks, the same for everybody: those with the least hash of their prompts.

    A larger share has the chunks of a smaller one. At least one chunk is chosen.

    Args:
        prompts: ``prompt_id`` and ``position``, one row for each prompt of a release.
        size: prompts of a chunk.
        wanted: how many prompts the recipe had, with those that the release does not have.
        share: above 0, at most 1.

    Raises:
        ReleaseError: positions are missing, repeated or beyond ``wanted``.
    """
    places = prompts[POSITION]
    repeated = any(prompts[name].n_unique() < prompts.height for name in ("prompt_id", POSITION))
    if repeated or places.null_count() or not places.is_between(0, wanted - 1).all():
        raise ReleaseError(
            f"`{POSITION}` of `scores` is not the place of each prompt among {wanted:,}",
            hint="`synpic verify` says what else is damaged; publish it again",
        )
    rows = prompts.sort(POSITION).with_columns(chunk=pl.col(POSITION) // size)
    found = [
        _Chunk(number, of_one["prompt_id"].to_list(), min(size, wanted - number * size))
        for (number,), of_one in rows.group_by("chunk", maintain_order=True)
        if isinstance(number, int)
    ]
    found.sort(key=lambda chunk: chunk.hash)
    chosen = found[: max(1, math.ceil(round(share * len(found), 9)))]
    # A chunk with a gap, or the last one of the list, shifts the batches of what comes after it.
    chosen.sort(key=lambda chunk: (chunk.lacking > 0, chunk.wanted < size))
    order = pl.DataFrame({"prompt_id": [one for chunk in chosen for one in chunk.prompt_ids]})
    return ChunkSample(
        size=size,
        chunks=len(chosen),
        of=len(found),
        prompts=order.join(prompts, on="prompt_id", how="left", maintain_order="left"),
        lacking=sum(chunk.lacking for chunk in chosen),
    )


@dataclass(frozen=True)
class _Chunk:
    number: int
    prompt_ids: Sequence[str]
    wanted: int

    @property
    def lacking(self) -> int:
        return self.wanted - len(self.prompt_ids)

    @property
    def hash(self) -> str:
        return ids.sha256("\n".join(self.prompt_ids).encode())
