"""Which records, which noise, which times: the same for any number of processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from synpic.train.batch import Batch
from synpic.train.data.encode import encode_all
from synpic.train.data.examples import mirrored, prompt_key
from synpic.train.data.order import BatchOrder, BatchSource
from tests.train.material import Averages, Opener, caches, encoded_image, records_of

sizes = st.lists(st.sampled_from("abc"), min_size=1, max_size=40)
batch_sizes = st.integers(1, 8)
seeds = st.integers(0, 2**53 - 1)


@given(sizes, batch_sizes, seeds, st.integers(0, 3))
def test_an_epoch_has_every_record_but_what_fills_no_batch(
    sizes: list[str], batch: int, seed: int, epoch: int
) -> None:
    order = BatchOrder(sizes, batch, seed)
    numbers = range(epoch * order.epoch, (epoch + 1) * order.epoch)
    drawn = [order.records(number) for number in numbers]
    assert all(len(one) == batch for one in drawn)
    assert all(len({sizes[record] for record in one}) == 1 for one in drawn)
    seen = Counter(record for one in drawn for record in one)
    for size, count in Counter(sizes).items():
        times = [seen[record] for record, one in enumerate(sizes) if one == size]
        if count >= batch:
            assert max(times) == 1
            assert times.count(0) == count % batch
        else:
            assert sum(times) == batch
            assert max(times) - min(times) <= 1


@given(sizes, batch_sizes, seeds, st.lists(st.integers(0, 200), min_size=1))
def test_a_batch_does_not_depend_on_what_was_asked_before(
    sizes: list[str], batch: int, seed: int, numbers: list[int]
) -> None:
    order = BatchOrder(sizes, batch, seed)
    drawn = [order.records(number) for number in numbers]
    assert [BatchOrder(sizes, batch, seed).records(number) for number in numbers] == drawn


def test_epochs_and_seeds_are_in_other_orders() -> None:
    def epoch(seed: int, number: int) -> list[list[int]]:
        order = BatchOrder(["a"] * 64, 4, seed)
        return [order.records(number * order.epoch + n) for n in range(order.epoch)]

    drawn = [epoch(0, 0), epoch(0, 1), epoch(1, 0)]
    assert len({str(one) for one in drawn}) == 3
    assert [sorted(n for batch in one for n in batch) for one in drawn] == [list(range(64))] * 3


def source(folder: Path, batch_size: int, processes: int = 1, **options: Any) -> BatchSource:
    """Seven prompts of two sizes, with two and three images."""
    shapes = [(16, 16)] * 4 + [(8, 24)] * 3
    images = [
        [encoded_image(*shape, 10 * row + n) for n in range(2 + row % 2)]
        for row, shape in enumerate(shapes)
    ]
    records, _ = records_of(images)
    kept, family = caches(folder), Averages()
    examples = encode_all(records, family, kept, Opener(), flip=True)
    order = BatchOrder(examples.sizes, batch_size * processes, 5)
    made = BatchSource(examples, kept, family, order, 5, batch_size, processes=processes)
    return replace(made, **options)


def test_a_batch_is_what_its_examples_say(tmp_path: Path) -> None:
    made = source(tmp_path, 3)
    for number in range(6):
        batch = made[number]
        examples = [made.examples[record] for record in made.order.records(number)]
        counts = [len(one.latents) for one in examples]
        assert batch.owner.tolist() == [n for n, count in enumerate(counts) for _ in range(count)]
        assert batch.crops.tolist() == [list(crop) for one in examples for crop in one.crops]
        latents = [
            made.caches.latents.get(key)["latents"] for one in examples for key in one.latents
        ]
        assert torch.equal(batch.latents, torch.stack(latents))
        words = [made.caches.prompts.get(one.prompt)["words"] for one in examples]
        assert torch.equal(batch.encoded["words"], torch.stack(words))
        labels = batch.labels
        assert labels.present.sum(1).tolist() == counts
        assert labels.present.shape[1] == max(counts)
        for row, one in enumerate(examples):
            there = labels.present[row]
            assert labels.preference[row][there].tolist() == one.preference
            assert labels.rank[row][there].tolist() == one.rank
        values = torch.arange(1.0, 1 + sum(counts))
        by_prompt = batch.by_prompt(values)
        assert by_prompt[labels.present].tolist() == values.tolist()
        assert all(len(set(batch.times[batch.owner == n].tolist())) == 1 for n in range(3))
        assert len(set(batch.times.tolist())) == 3
        assert (batch.latents.dtype, batch.labels.rank.dtype) == (torch.float32, torch.int64)


def tensors(batch: Batch) -> list[torch.Tensor]:
    labels = batch.labels
    return [
        batch.latents,
        batch.noise,
        batch.times,
        batch.crops,
        *batch.encoded.values(),
        labels.preference[labels.present],
        labels.rank[labels.present],
    ]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_one_batch(tmp_path: Path, processes: int) -> None:
    options: dict[str, Any] = {"caption_dropout": 0.5, "flip": True, "share_noise": False}
    alone = source(tmp_path, 4, **options)
    together = source(tmp_path, 4 // processes, processes, **options)
    for number in range(5):
        shares = [tensors(replace(together, process=n)[number]) for n in range(processes)]
        joined = [torch.cat(column) for column in zip(*shares, strict=True)]
        whole = tensors(alone[number])
        assert all(torch.equal(one, other) for one, other in zip(joined, whole, strict=True))


def test_noise_is_shared_or_not(tmp_path: Path) -> None:
    shared, apart = source(tmp_path, 4)[0], source(tmp_path, 4, share_noise=False)[0]
    for prompt in range(4):
        mine = [one.noise[one.owner == prompt] for one in (shared, apart)]
        assert torch.equal(mine[0], mine[0][:1].expand_as(mine[0]))
        assert len({str(noise.tolist()) for noise in mine[1]}) == len(mine[1])
    assert torch.equal(shared.times, apart.times)
    assert not torch.equal(shared.noise[0], shared.noise[-1])


def test_noise_is_normal(tmp_path: Path) -> None:
    made = source(tmp_path, 4, share_noise=False)
    values = torch.cat([made[number].noise.flatten() for number in range(60)])
    assert len(values) > 20_000
    assert abs(values.mean()) < 0.03
    assert abs(values.std() - 1) < 0.03


def test_captions_are_emptied_and_images_mirrored_at_random(tmp_path: Path) -> None:
    plain = source(tmp_path, 4)
    made = replace(plain, caption_dropout=0.25, flip=True)
    empty = made.caches.prompts.get(prompt_key(""))["words"]
    emptied, flipped, count = 0, 0, 0
    for number in range(100):
        batch, before = made[number], plain[number]
        assert torch.equal(batch.noise, before.noise)
        assert torch.equal(batch.times, before.times)
        for place, record in enumerate(made.order.records(number)):
            example = made.examples[record]
            mine = batch.latents[batch.owner == place]
            sides = [
                torch.stack([made.caches.latents.get(key)["latents"] for key in keys])
                for keys in (example.latents, list(map(mirrored, example.latents)))
            ]
            assert sum(torch.equal(mine, side) for side in sides) == 1
            flipped += torch.equal(mine, sides[1])
            words = batch.encoded["words"][place]
            gone = torch.equal(words, empty)
            assert gone or torch.equal(words, made.caches.prompts.get(example.prompt)["words"])
            emptied += gone
            count += 1
    # Four standard deviations of 400 draws.
    assert abs(emptied / count - 0.25) < 0.09
    assert abs(flipped / count - 0.5) < 0.1


def test_a_record_that_comes_twice_gets_other_noise(tmp_path: Path) -> None:
    made = source(tmp_path, 8)
    batch = made[0]
    (records,) = [made.order.records(0)]
    assert len(set(records)) < 8
    firsts = [batch.noise[batch.owner == n][0] for n in range(8)]
    assert len({str(one.tolist()) for one in firsts}) == 8


def test_a_loader_reads_the_same_in_its_processes(tmp_path: Path) -> None:
    made = source(tmp_path, 2)
    loader = DataLoader(made, batch_size=None, sampler=range(3, 9), num_workers=2)
    for number, batch in zip(range(3, 9), loader, strict=True):
        pairs = zip(tensors(batch), tensors(made[number]), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
