"""What is kept on disk: found by key, shared by processes, and made again where it is damaged."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import save

from synpic.errors import StorageError, TrainingError
from synpic.recipe.settings import ModelSettings
from synpic.train.data import cache as module
from synpic.train.data.cache import TensorCache, default_folder, open_caches
from synpic.train.families.family import TrainableFamily
from synpic.train.families.sd import TrainableStableDiffusion
from synpic.train.families.sdxl import TrainableStableDiffusionXL
from synpic.train.settings import NoiseSettings
from tests.train.families.opening import file_of
from tests.train.material import caches


def entry(number: int) -> dict[str, torch.Tensor]:
    return {
        "words": torch.full((2, 3), number, dtype=torch.bfloat16),
        "mask": torch.tensor([number, 0]),
    }


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


def filled(folder: Path, numbers: range) -> TensorCache:
    made = TensorCache(folder)
    for number in numbers:
        made.add(f"k{number}", entry(number))
    made.flush()
    return made


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.safetensors"))


def test_what_was_added_is_there_for_others(tmp_path: Path) -> None:
    filled(tmp_path / "a" / "b", range(5))
    opened = TensorCache(tmp_path / "a" / "b")
    assert all(same(opened.get(f"k{number}"), entry(number)) for number in range(5))
    assert opened.missing(["k9", "k1", "k9", "k8"]) == ["k9", "k8"]
    assert len(opened) == 5


def test_before_it_is_written_it_is_there_for_oneself(tmp_path: Path) -> None:
    made = TensorCache(tmp_path)
    made.add("k", entry(1))
    assert same(made.get("k"), entry(1))
    assert (made.missing(["k"]), TensorCache(tmp_path).missing(["k"])) == ([], ["k"])


def test_parts_are_cut_by_entries_and_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART_ENTRIES", 3)
    filled(tmp_path / "entries", range(7))
    assert len(parts(tmp_path / "entries")) == 3
    monkeypatch.setattr(module, "_PART_BYTES", 60)  # an entry has 28
    filled(tmp_path / "bytes", range(1, 3))
    assert len(parts(tmp_path / "bytes")) == 1
    monkeypatch.setattr(module, "_PART_BYTES", 28)
    filled(tmp_path / "one", range(3))
    assert len(parts(tmp_path / "one")) == 3


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    made = filled(tmp_path, range(3))
    made.add("k1", entry(1))
    made.flush()
    assert len(parts(tmp_path)) == 1


@pytest.mark.parametrize("left", [0, 5, 0.5, -1])
def test_a_damaged_part_counts_as_missing(tmp_path: Path, left: float) -> None:
    filled(tmp_path, range(3))
    filled(tmp_path, range(6)).flush()
    broken = next(path for path in parts(tmp_path) if b"k1/" in path.read_bytes())
    size = broken.stat().st_size
    os.truncate(broken, int(size * left) if left == 0.5 else int(left) % size)
    opened = TensorCache(tmp_path)
    assert opened.damaged == [broken]
    gone = opened.missing(f"k{n}" for n in range(6))
    assert set(gone) == {"k0", "k1", "k2"}
    for key in gone:
        opened.add(key, entry(int(key[1:])))
    opened.flush()
    again = TensorCache(tmp_path)
    assert all(same(again.get(f"k{n}"), entry(n)) for n in range(6))


def small(folder: Path) -> tuple[Path, dict[str, dict[str, torch.Tensor]]]:
    """The file of a part of three entries, and what they are."""
    filled(folder, range(3))
    return parts(folder)[0], {f"k{n}": entry(n) for n in range(3)}


def read_again(folder: Path, expected: dict[str, dict[str, torch.Tensor]]) -> bool:
    """Whether damage was found; what is read is always what was written."""
    opened = TensorCache(folder)
    before = [key for key in expected if not opened.missing([key])]
    for key in before:
        with suppress(TrainingError):
            assert same(opened.get(key), expected[key])
    damaged = opened.set_damage_aside(expected)
    for key in opened.missing(expected):
        opened.add(key, expected[key])
    opened.flush()
    again = TensorCache(folder)
    assert (again.damaged, again.missing(expected)) == ([], [])
    assert all(same(again.get(key), expected[key]) for key in expected)
    assert again.set_damage_aside(expected) == []
    return bool(damaged)


def test_no_flipped_bit_is_read_as_other_latents(tmp_path: Path) -> None:
    path, expected = small(tmp_path / "c")
    whole = path.read_bytes()
    found = 0
    for place in range(len(whole)):
        for other in (tmp_path / "c").iterdir():
            other.unlink()
        changed = whole[place] ^ 1 << place % 8
        path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
        opened = TensorCache(tmp_path / "c")
        for key in expected:
            with suppress(TrainingError):
                assert same(opened.get(key), expected[key])
        found += opened.set_damage_aside(expected) == [path]
        assert set(opened.missing(expected)) == set(expected)
    assert found == len(whole)


def test_what_was_made_again_is_checked_again(tmp_path: Path) -> None:
    path, expected = small(tmp_path / "c")
    opened = TensorCache(tmp_path / "c")
    opened.get("k0")
    flip(path, expected["k2"])
    assert opened.set_damage_aside(expected) == [path]
    for key in expected:
        opened.add(key, expected[key])
    opened.flush()
    flip(parts(tmp_path / "c")[0], expected["k0"])
    with pytest.raises(TrainingError, match="damaged"):
        opened.get("k0")


def flip(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Flip a bit of ``tensors`` where they lie in ``path``."""
    whole = bytearray(path.read_bytes())
    sought = tensors["words"].view(torch.uint8).numpy().tobytes()
    place = whole.rindex(sought)
    whole[place] ^= 1
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize("left", [0, 5, 100, -20, -1])
def test_a_part_that_was_cut_is_made_again(tmp_path: Path, left: int) -> None:
    path, expected = small(tmp_path / "c")
    path.write_bytes(path.read_bytes()[:left])
    assert read_again(tmp_path / "c", expected)
    assert (tmp_path / "c" / f"{path.name}.damaged").exists()


def test_a_part_of_another_cache_is_not_taken(tmp_path: Path) -> None:
    path, expected = small(tmp_path / "c")
    filled(tmp_path / "other", range(10, 13))
    foreign = parts(tmp_path / "other")[0].read_bytes().replace(b"k12/", b"k01/")
    for data in (foreign, parts(tmp_path / "other")[0].read_bytes(), b"", b"text", save({})):
        path.write_bytes(data)
        assert read_again(tmp_path / "c", expected)


def test_what_is_damaged_while_it_is_read_is_told(tmp_path: Path) -> None:
    path, _ = small(tmp_path / "c")
    opened = TensorCache(tmp_path / "c")
    whole = bytearray(path.read_bytes())
    whole[-30] ^= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(TrainingError, match="an entry of the cache is damaged") as caught:
        for key in ("k0", "k1", "k2"):
            opened.get(key)
    assert "makes again what is missing or damaged" in str(caught.value.hint)


def test_a_part_that_vanishes_is_told(tmp_path: Path) -> None:
    made = filled(tmp_path, range(2))
    parts(tmp_path)[0].unlink()
    with pytest.raises(TrainingError, match="an entry of the cache is gone") as caught:
        made.get("k1")
    assert "run the same command again" in str(caught.value.hint)
    with pytest.raises(TrainingError, match="is gone"):
        made.get("never")


def test_files_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART_ENTRIES", 1)
    monkeypatch.setattr(module, "_OPEN_FILES", 2)
    made = filled(tmp_path, range(5))
    for number in [0, 1, 2, 3, 4, 0]:
        assert same(made.get(f"k{number}"), entry(number))
        assert len(made._open) <= 2


def test_others_parts_are_seen_on_request(tmp_path: Path) -> None:
    mine = TensorCache(tmp_path)
    filled(tmp_path, range(2))
    assert mine.missing(["k1"]) == ["k1"]
    mine.refresh()
    assert same(mine.get("k1"), entry(1))


def fill(folder: Path, start: int) -> None:
    filled(folder, range(start, start + 4))


def test_processes_write_at_once_and_read_a_pickled_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=fill, args=(tmp_path, start)) for start in (0, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    opened = TensorCache(tmp_path)
    opened.get("k3")
    copy = pickle.loads(pickle.dumps(opened))
    assert all(same(copy.get(f"k{n}"), entry(n)) for n in range(6))


def test_a_full_disk_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TensorCache(tmp_path)
    made.add("k", entry(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            made.flush()
    assert list(tmp_path.iterdir()) == []
    made.flush()
    assert same(TensorCache(tmp_path).get("k"), entry(1))


def test_what_decides_the_content_decides_the_folder(tmp_path: Path) -> None:
    scheduler = file_of(DDIMScheduler())

    def folders(
        identity: str = "a",
        family: type[TrainableFamily] = TrainableStableDiffusionXL,
        latents: torch.dtype = torch.float32,
        embeddings: torch.dtype = torch.float32,
        **settings: object,
    ) -> tuple[str, str]:
        opened = open_caches(
            tmp_path,
            family(ModelSettings(**settings), scheduler, NoiseSettings()),  # type: ignore[arg-type]
            {"commit": identity},
            latents_dtype=latents,
            embeddings_dtype=embeddings,
        )
        return opened.latents.folder.name, opened.prompts.folder.name

    latents, prompts = folders()
    assert folders() == (latents, prompts)
    assert folders(steps=7, guidance=2.0) == (latents, prompts), "they decide neither"
    for other in (folders(identity="b"), folders(family=TrainableStableDiffusion)):
        assert other[0] != latents
        assert other[1] != prompts
    assert folders(latents=torch.float16) == (folders(latents=torch.float16)[0], prompts)
    assert folders(latents=torch.float16)[0] != latents
    for changed in (
        folders(embeddings=torch.bfloat16),
        folders(call={"max_sequence_length": 77}),
        folders(dtype="float16"),
        folders(negative_prompt="blurred"),  # the empty prompt is zeros without one
    ):
        assert (changed[0], changed[1] == prompts) == (latents, False)
    plain, negative = (
        folders(family=TrainableStableDiffusion, **settings)  # type: ignore[arg-type]
        for settings in ({}, {"negative_prompt": "blurred"})
    )
    assert plain == negative, "it decides nothing there"


def test_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SYNPIC_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_folder() == tmp_path / ".cache" / "synpic" / "train"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "xdg" / "synpic" / "train"
    monkeypatch.setenv("SYNPIC_CACHE", "~/mine")
    assert default_folder() == tmp_path / "mine"
    assert caches(tmp_path).folder == tmp_path
