"""Which records make batch n, and the batch itself: functions of the seed and of n alone.

A batch of all processes is settled first and then cut, so that two processes with two prompts each
see what one process with four sees, noise and times included.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from synpic import ids
from synpic.train.batch import Batch, Labels
from synpic.train.data.cache import Caches
from synpic.train.data.examples import Examples, TrainingExample, mirrored, prompt_key
from synpic.train.families.family import Encoded, TrainableFamily

__all__ = ["BatchOrder", "BatchSource", "stack"]


class BatchOrder:
    """Batches of records of one size, epoch after epoch in another order.

    What does not fill a batch at the end of an epoch is left out of it, other records each time; of
    a size with fewer records than a batch, records repeat.

    Args:
        sizes: of the images of every record.
        batch: how many records make a batch of all processes.
        seed: of the shuffling.
    """

    def __init__(self, sizes: Sequence[Hashable], batch: int, seed: int) -> None:
        groups: dict[Hashable, list[int]] = {}
        for number, size in enumerate(sizes):
            groups.setdefault(size, []).append(number)
        self._groups = [np.array(group) for group in groups.values()]
        self._batch, self._seed = batch, seed
        self.epoch = sum(max(1, len(group) // batch) for group in self._groups)
        """How many batches make one."""
        self._shuffled: tuple[int, npt.NDArray[np.int64]] | None = None

    def records(self, number: int) -> list[int]:
        """The records of batch ``number``, counted from 0 and without end."""
        epoch, place = divmod(number, self.epoch)
        if self._shuffled is None or self._shuffled[0] != epoch:
            self._shuffled = (epoch, self._shuffle(epoch))
        return [int(one) for one in self._shuffled[1][place]]

    def _shuffle(self, epoch: int) -> npt.NDArray[np.int64]:
        random = np.random.default_rng([self._seed, epoch])
        batches = []
        for group in self._groups:
            count = max(1, len(group) // self._batch)
            drawn = np.resize(random.permutation(group), count * self._batch)
            batches.append(drawn.reshape(count, self._batch))
        return random.permutation(np.concatenate(batches))


@dataclass(frozen=True)
class BatchSource(Dataset[Batch]):
    """Batch n of one process: a map-style dataset for ``DataLoader(…, batch_size=None)``.

    Args:
        examples: what there is to learn from.
        caches: hold everything that they name.
        family: gives times in its own unit.
        order: of batches of ``batch_size · processes``.
        seed: of noise, times and the other draws.
        batch_size: records of one process.
        process, processes: which of how many this is.
        share_noise: one noise for all images of a prompt, or one for each.
        caption_dropout: share of prompts that are emptied.
        flip: mirror the images of half of the records.
    """

    examples: Examples
    caches: Caches
    family: TrainableFamily
    order: BatchOrder
    seed: int
    batch_size: int
    process: int = 0
    processes: int = 1
    share_noise: bool = True
    caption_dropout: float = 0.0
    flip: bool = False

    def __getitem__(self, number: int) -> Batch:
        """Batch ``number`` of this process, counted from 0 and without end."""
        start = self.process * self.batch_size
        mine = self.order.records(number)[start : start + self.batch_size]
        return _batch([self._drawn(number, start + i, one) for i, one in enumerate(mine)])

    def _drawn(self, number: int, place: int, record: int) -> _Drawn:
        """A record, encoded and with its noise; ``place`` is the one in the whole batch.

        Every draw is made whether or not it is used, and in one order, so that a setting changes
        nothing but what it is for.
        """
        example = self.examples[record]
        random = torch.Generator().manual_seed(_seed(self.seed, number, place))
        chance = torch.rand(2, generator=random, dtype=torch.float64).tolist()
        time = self.family.sample_times(random, 1)
        emptied, flipped = chance[0] < self.caption_dropout, self.flip and chance[1] < 0.5
        keys = [mirrored(key) if flipped else key for key in example.latents]
        latents = torch.stack([self.caches.latents.get(key)["latents"].float() for key in keys])
        drawn = 1 if self.share_noise else len(keys)
        noise = torch.randn(drawn, *latents.shape[1:], generator=random).expand_as(latents)
        encoded = self.caches.prompts.get(prompt_key("") if emptied else example.prompt)
        return _Drawn(example, latents, noise, time, encoded)


@dataclass(frozen=True)
class _Drawn:
    example: TrainingExample
    latents: Tensor
    noise: Tensor
    time: Tensor
    encoded: dict[str, Tensor] = field(repr=False)


def stack(rows: Sequence[dict[str, Tensor]]) -> Encoded:
    """Entries of the cache of prompts, a prompt in each row."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _batch(drawn: Sequence[_Drawn]) -> Batch:
    counts = torch.tensor([len(one.latents) for one in drawn])
    present = torch.arange(int(counts.max())) < counts[:, None]
    crops = [crop for one in drawn for crop in one.example.crops]
    return Batch(
        latents=torch.cat([one.latents for one in drawn]),
        noise=torch.cat([one.noise for one in drawn]),
        times=torch.cat([one.time for one in drawn]).repeat_interleave(counts),
        encoded=stack([one.encoded for one in drawn]),
        crops=torch.tensor(crops),
        owner=torch.arange(len(drawn)).repeat_interleave(counts),
        labels=Labels(
            preference=_padded([one.example.preference for one in drawn], present, torch.float32),
            rank=_padded([one.example.rank for one in drawn], present, torch.int64),
            present=present,
        ),
    )


def _padded(rows: Sequence[Sequence[float]], present: Tensor, dtype: torch.dtype) -> Tensor:
    values: Any = [value for row in rows for value in row]
    table = torch.zeros(present.shape, dtype=dtype)
    table[present] = torch.tensor(values, dtype=dtype)
    return table


def _seed(seed: int, number: int, place: int) -> int:
    return int(ids.sha256(f"batch:{seed}:{number}:{place}".encode())[:15], 16)
