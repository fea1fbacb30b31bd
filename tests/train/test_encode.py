"""What is encoded, at which size, how often, and what a second start reads."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from synpic.engine.progress import Event
from synpic.errors import Stopped, StorageError, TrainingError
from synpic.train.data import cache as cache_module
from synpic.train.data import encode as module
from synpic.train.data.crops import common_size, crop_of, fit
from synpic.train.data.encode import encode_all
from synpic.train.data.examples import mirrored, prompt_key
from synpic.train.data.records import read_records
from tests.train.material import (
    Averages,
    Opener,
    caches,
    data,
    encoded_image,
    records_of,
    release,
)


def some(count: int = 3, k: int = 2, size: tuple[int, int] = (16, 16)) -> list[list[bytes]]:
    return [[encoded_image(*size, 100 * row + n) for n in range(k)] for row in range(count)]


def expected(data_: bytes, mirror: bool = False) -> Tensor:
    """The latents of an image that already has its size."""
    pixels = np.asarray(Image.open(io.BytesIO(data_)).convert("RGB"), np.float32)
    pixels = pixels[:, ::-1] if mirror else pixels
    means = pixels.reshape(pixels.shape[0] // 4, 4, -1, 4, 3).mean((1, 3))
    return torch.from_numpy(means).permute(2, 0, 1) / 127.5 - 1


def test_latents_and_embeddings_are_those_of_images_and_prompts(tmp_path: Path) -> None:
    images = [*some(2), [encoded_image(8, 24, 7), encoded_image(8, 24, 8), encoded_image(8, 24, 9)]]
    records, _ = records_of(images)
    kept, family = caches(tmp_path), Averages()
    examples = encode_all(records, family, kept, Opener(), flip=True)
    assert len(examples) == 3
    assert examples.images == 7
    assert examples.sizes == [(16, 16), (16, 16), (8, 24)]
    for example, row in zip(examples, images, strict=True):
        for key, one in zip(example.latents, row, strict=True):
            torch.testing.assert_close(kept.latents.get(key)["latents"], expected(one))
            flipped = kept.latents.get(mirrored(key))["latents"]
            torch.testing.assert_close(flipped, expected(one, mirror=True))
        text = f"prompt {example.row}"
        (words, mask) = family.encode_prompts(None, [text]).values()
        stored = kept.prompts.get(example.prompt)
        assert torch.equal(stored["words"], words[0])
        assert torch.equal(stored["mask"], mask[0])
    assert kept.prompts.missing([prompt_key("")]) == []
    assert examples[-1].preference == [1, 0, 0]
    assert [one.row for one in examples[1:]] == [1, 2]


def test_a_warm_start_reads_no_pixel_and_opens_nothing(tmp_path: Path) -> None:
    images = some()
    records, rows = records_of(images)
    opener, first = Opener(), encode_all(records, Averages(), caches(tmp_path), Opener())
    assert sorted(rows.read) == [0, 1, 2]
    rows.read.clear()
    events: list[Event] = []
    again = encode_all(records, Averages(), caches(tmp_path), opener, listener=events.append)
    assert (rows.read, opener.times, events) == ([], 0, [])
    assert list(again) == list(first)


def test_the_pipeline_is_opened_once(tmp_path: Path) -> None:
    records, _ = records_of(some())
    opener = Opener()
    encode_all(records, Averages(), caches(tmp_path), opener)
    assert opener.times == 1


def test_growth_reads_what_is_new(tmp_path: Path) -> None:
    records, rows = records_of(some(5))
    fewer = records.with_table(records.table.head(2))
    encode_all(fewer, Averages(), caches(tmp_path), Opener())
    rows.read.clear()
    family = Averages()
    encode_all(records, family, caches(tmp_path), Opener())
    assert sorted(rows.read) == [2, 3, 4]
    assert sum(family.batches) == 6


def test_latents_belong_to_content_not_to_a_dataset(tmp_path: Path) -> None:
    images = some()
    encode_all(records_of(images)[0], Averages(), caches(tmp_path), Opener())
    family = Averages()
    other, rows = records_of(images[::-1], content="another")
    encode_all(other, family, caches(tmp_path), Opener())
    assert sorted(rows.read) == [0, 1, 2], "its hashes are not known"
    assert family.batches == []


def test_an_image_in_many_rows_is_encoded_once(tmp_path: Path) -> None:
    a, b, c = (encoded_image(16, 16, n) for n in range(3))
    family = Averages()
    encode_all(records_of([[a, b], [b, c], [c, a]])[0], family, caches(tmp_path), Opener())
    assert sum(family.batches) == 3


def test_another_size_is_encoded_anew_from_what_is_known(tmp_path: Path) -> None:
    records, _ = records_of(some())
    encode_all(records, Averages(), caches(tmp_path), Opener())
    family = Averages()
    examples = encode_all(records, family, caches(tmp_path), Opener(), size="8x16")
    assert examples.sizes == [(16, 8)] * 3
    assert sum(family.batches) == 6
    assert {crop for one in examples for crop in one.crops} == {(16, 16, 0, 4, 16, 8)}
    with pytest.raises(TrainingError, match=r'data.size = "12x16": .* multiples of 8') as caught:
        encode_all(records, Averages(), caches(tmp_path), Opener(), size="12x16")
    assert caught.value.hint == '"8x16"'


def test_mixed_sizes_meet_at_the_smallest(tmp_path: Path) -> None:
    images = [[encoded_image(40, 33, 0), encoded_image(19, 30, 1), encoded_image(100, 20, 2)]]
    examples = encode_all(records_of(images)[0], Averages(), caches(tmp_path), Opener())
    assert examples.sizes == [(16, 24)]
    assert examples[0].crops == [
        (40, 33, 6, 0, 16, 24),
        (19, 30, 0, 0, 16, 24),
        (100, 20, 52, 0, 16, 24),
    ]


def test_batches_hold_one_size_and_not_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PIXELS", 4 * 16 * 16)
    images = [*some(3, size=(16, 16)), *some(3, size=(32, 32))]
    family = Averages()
    encode_all(records_of(images)[0], family, caches(tmp_path), Opener())
    assert sorted(family.batches) == [1] * 6 + [2, 4]


def test_turned_and_other_images(tmp_path: Path) -> None:
    """A photograph is as its EXIF turns it; transparency lies over white."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded_image(16, 32, 1, "JPEG", exif=exif)
    buffer = io.BytesIO()
    Image.new("RGBA", (16, 32), (0, 0, 0, 0)).save(buffer, "PNG")
    images = [[turned, buffer.getvalue()]]
    kept = caches(tmp_path)
    (example,) = encode_all(records_of(images)[0], Averages(), kept, Opener())
    assert example.crops == [(32, 16, 0, 0, 32, 16)] * 2
    assert torch.equal(kept.latents.get(example.latents[1])["latents"], torch.ones(3, 8, 4))


class Dies(Averages):
    """Is killed when it is asked for the n-th time."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return super().encode_images(pipeline, pixels)


def test_killed_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IMAGES", 2)
    records, _ = records_of(some(6))
    with pytest.raises(KeyboardInterrupt):
        encode_all(records, Dies(3), caches(tmp_path), Opener())
    family = Averages()
    examples = encode_all(records, family, caches(tmp_path), Opener())
    assert sum(family.batches) == 6
    whole = encode_all(records, Averages(), caches(tmp_path / "whole"), Opener())
    assert list(examples) == list(whole)


def test_asked_to_stop_it_keeps_what_it_has(tmp_path: Path) -> None:
    records, rows = records_of(some(6))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="after 7 of 7 prompts"):
        encode_all(records, Averages(), caches(tmp_path), Opener(), stop=stop)
    assert rows.read == []
    with pytest.raises(Stopped, match="after 2 of 12 images"):
        encode_all(records, Averages(), caches(tmp_path), Opener(), stop=stop)
    rows.read.clear()
    family = Averages()
    encode_all(records, family, caches(tmp_path), Opener())
    assert (rows.read, sum(family.batches)) == ([1, 2, 3, 4, 5], 10)


def cut(data: bytes) -> bytes:
    return data[:-7]


def flipped(data: bytes) -> bytes:
    return data[:-7] + bytes([data[-7] ^ 4]) + data[-6:]


@pytest.mark.parametrize("damage", [cut, flipped])
@pytest.mark.parametrize("which", ["latents", "prompts"])
def test_a_damaged_part_is_told_and_made_again(
    tmp_path: Path, which: str, damage: Callable[[bytes], bytes]
) -> None:
    records, _ = records_of(some())
    first = encode_all(records, Averages(), caches(tmp_path), Opener())
    key = first[0].latents[0] if which == "latents" else first[0].prompt
    kept = getattr(caches(tmp_path), which)
    (part,) = kept.folder.glob("part-*")
    before = {name: tensor.clone() for name, tensor in kept.get(key).items()}
    part.write_bytes(damage(part.read_bytes()))
    events: list[Event] = []
    encode_all(records, Averages(), caches(tmp_path), Opener(), listener=events.append)
    assert [event.note for event in events if part.name in (event.note or "")] == [
        f"{part} is damaged: what it held is made again; it was set aside as {part.name}.damaged, "
        "and may be deleted"
    ]
    again = getattr(caches(tmp_path), which).get(key)
    assert all(torch.equal(again[name], tensor) for name, tensor in before.items())
    events.clear()
    encode_all(records, Averages(), caches(tmp_path), Opener(), listener=events.append)
    assert events == [], "it is told once"


def test_damaged_facts_are_found_out_again(tmp_path: Path) -> None:
    records, rows = records_of(some())
    first = encode_all(records, Averages(), caches(tmp_path), Opener())
    (part,) = tmp_path.glob("images-*/part-*")
    part.write_bytes(part.read_bytes()[:-7])
    rows.read.clear()
    family = Averages()
    assert list(encode_all(records, family, caches(tmp_path), Opener())) == list(first)
    assert (sorted(rows.read), family.batches) == ([0, 1, 2], [])


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    images = some()
    images[1][1] = images[1][1][:-40]
    records, _ = records_of(images)
    with pytest.raises(TrainingError, match="set: image_1 of row 1 of split 'train': not a whole"):
        encode_all(records, Averages(), caches(tmp_path), Opener())
    images[1][1] = encoded_image(16, 16, 99)
    family = Averages()
    encode_all(records, family, caches(tmp_path), Opener())
    assert sum(family.batches) == 6, "a batch that was not full is encoded now"


class Overflows(Averages):
    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        latents = super().encode_images(pipeline, pixels)
        latents[1, 0, 0, 0] = 1e6
        return latents


def test_latents_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    records, _ = records_of(some(1))
    encode_all(records, Overflows(), caches(tmp_path / "32"), Opener())
    with pytest.raises(TrainingError, match=r"image_1 of row 0 .*: the autoencoder made NaN"):
        encode_all(records, Overflows(), caches(tmp_path / "16", torch.float16), Opener())


class NoWords(Averages):
    def encode_prompts(self, pipeline: Any, texts: Any) -> dict[str, Tensor]:
        return {"words": torch.full((len(texts), 2), float("nan"))}


def test_prompts_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="text encoders made NaN"):
        encode_all(records_of(some())[0], NoWords(), caches(tmp_path), Opener())


def test_half_the_bytes_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    kept = caches(tmp_path, torch.float16)
    (example, *_) = encode_all(records_of(some())[0], Averages(), kept, Opener())
    assert kept.latents.get(example.latents[0])["latents"].dtype == torch.float16
    stored = kept.prompts.get(example.prompt)
    assert (stored["words"].dtype, stored["mask"].dtype) == (torch.float16, torch.int64)


def test_a_full_disk_ends_it_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(cache_module.Store, "write", refuse)
    with pytest.raises(StorageError):
        encode_all(records_of(some())[0], Averages(), caches(tmp_path), Opener())


def test_progress_counts_images(tmp_path: Path) -> None:
    events: list[Event] = []
    encode_all(
        records_of(some())[0], Averages(), caches(tmp_path), Opener(), listener=events.append
    )
    assert {event.stage for event in events} == {"encode"}
    last = {event.name: (event.state, event.done, event.total) for event in events}
    assert last == {"prompts": ("done", 4, 4), "images": ("done", 6, 6)}


def test_a_release_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    records = read_records(data(release(tmp_path)))
    kept = caches(tmp_path / "latents")
    examples = encode_all(records, Averages(), kept, Opener())
    for example, (row, images) in zip(
        examples, records.table.select("row", "images").iter_rows(), strict=True
    ):
        for key, one in zip(example.latents, records.images(row, images), strict=True):
            torch.testing.assert_close(kept.latents.get(key)["latents"], expected(one))


sides = st.integers(8, 300)


@given(sides, sides, st.integers(1, 20), st.integers(1, 20))
def test_an_image_covers_its_size_and_its_middle_is_kept(
    height: int, width: int, rows: int, columns: int
) -> None:
    to = (8 * rows, 8 * columns)
    before = (height, width)
    crop = crop_of(before, to)
    assert crop[:2] == before
    assert crop[4:] == to
    _, _, top, left, *_ = crop
    assert min(top, left) == 0
    # What is cut off is what the other side's scale leaves over.
    scale = max(to[0] / height, to[1] / width)
    assert abs(2 * top - (height * scale - to[0])) <= 2
    assert abs(2 * left - (width * scale - to[1])) <= 2
    assert fit(Image.new("RGB", (width, height)), to).shape == (*to, 3)


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=5))
def test_the_common_size_fits_into_the_smallest(images: list[tuple[int, int]]) -> None:
    height, width = common_size(images, 8)
    area = min(h * w for h, w in images)
    assert height % 8 == width % 8 == 0
    assert any(h * w == area and 0 <= h - height < 8 and 0 <= w - width < 8 for h, w in images)
    assert common_size(images[::-1], 8) == (height, width)


def test_the_cut_is_where_the_crop_says() -> None:
    ramp = np.zeros((32, 64, 3), np.uint8)
    ramp[..., 0] = np.arange(64) * 4
    top, left = crop_of((32, 64), (32, 40))[2:4]
    assert (top, left) == (0, 12)
    assert np.array_equal(fit(Image.fromarray(ramp), (32, 40)), ramp[:, 12:52])


def test_rows_of_one_picture_are_left_out_and_counted(tmp_path: Path) -> None:
    a, b = (encoded_image(16, 16, n) for n in range(2))
    records, _ = records_of([[a, a], [a, b], [b, b, b], [a, a, b]])
    examples = encode_all(records, Averages(), caches(tmp_path), Opener())
    assert ([one.row for one in examples], examples.same_picture) == ([1, 3], 2)
    only, _ = records_of([[a, a], [b, b]], content="only")
    with pytest.raises(TrainingError, match="none of 2 rows can prefer one image to another"):
        encode_all(only, Averages(), caches(tmp_path), Opener())
