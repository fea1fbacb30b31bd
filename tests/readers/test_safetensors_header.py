"""Whatever a header holds, it is what the library reads too, or one error names the file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from synpic.errors import ModelError
from synpic.readers.safetensors_header import read_header
from tests.release.test_manifest import WRONG, changed, places

TENSORS = {
    "a.weight": torch.ones(2, 3),
    "b": torch.zeros(4, dtype=torch.bfloat16),
    "c": torch.tensor(7),
    "empty": torch.zeros(0, 5),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "x.safetensors", metadata={"format": "pt"})
    return tmp_path / "x.safetensors"


def read(file: Path) -> dict[str, Any]:
    return {
        name: (entry.shape, entry.data_offsets)
        for name, entry in read_header(file, error=ModelError, hint="get it again").items()
    }


def parts(file: Path) -> tuple[dict[str, Any], bytes]:
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def put(file: Path, header: bytes, tensors: bytes) -> None:
    file.write_bytes(len(header).to_bytes(8, "little") + header + tensors)


def test_names_shapes_and_places(file: Path) -> None:
    assert {name: shape for name, (shape, _) in read(file).items()} == {
        name: list(tensor.shape) for name, tensor in TENSORS.items()
    }


def test_any_key_taken_away_or_of_another_type(file: Path) -> None:
    header, tensors = parts(file)
    every = [(place, value) for place in places(header) for value in (..., *WRONG)]
    for place, value in random.Random(14).sample(every, 250):
        other, _ = changed(header, place, value)
        put(file, json.dumps(other).encode(), tensors)
        try:
            found = read(file)
        except ModelError as error:
            assert error.message.startswith(f"{file}: ")
            continue
        # What is taken here, the library takes too; but for types that it may have one day.
        if place[-1] == "dtype":
            continue
        with safe_open(file, framework="pt") as opened:
            assert set(opened.keys()) == set(found)
            for name in found:
                opened.get_tensor(name)


@pytest.mark.parametrize("seed", range(3))
def test_flipped_and_cut(file: Path, seed: int) -> None:
    data, chance = file.read_bytes(), random.Random(seed)
    for _ in range(60):
        place = chance.randrange(len(data))
        cut = data[:place]
        flipped = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        for other in (cut, flipped, data + b"x"):
            file.write_bytes(other)
            try:
                read(file)
            except ModelError as error:
                assert str(file) in error.message
                continue
            try:
                with safe_open(file, framework="pt") as opened:
                    list(opened.keys())
            except SafetensorError as error:  # an alignment, a type that it does not know
                assert "eader" in str(error)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"[]", "not an object"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested"),
        (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}', "do not fit shape"),
        (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', "where byte 0 is free"),
        (b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', r"a\.shape\.0"),
        (b'{"a": {"dtype": "F32", "shape": [1]}}', r"a\.data_offsets: is missing"),
        (b'{"__metadata__": {"a": 1}}', r"metadata\.a"),
        (b"{}", "describes 0 bytes of tensors, and 4 follow"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, header: bytes, said: str) -> None:
    file = tmp_path / "x.safetensors"
    put(file, header, bytes(4))
    with pytest.raises(ModelError, match=rf"x\.safetensors: .*{said}"):
        read(file)


def test_a_header_longer_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    for data in (b"", b"short", b"\xff" * 8, (1 << 40).to_bytes(8, "little") + b"{}"):
        file.write_bytes(data)
        with pytest.raises(ModelError, match="no safetensors file, or cut"):
            read(file)
    with pytest.raises(ModelError, match="cannot be read"):
        read(tmp_path / "none.safetensors")
