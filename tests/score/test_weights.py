"""Weights are found, read without running code, and every one of them accounted for."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import httpx2 as httpx
import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from synpic.errors import CheckpointError, HubUnreachable, RewardError
from synpic.score.weights import (
    as_dtype,
    fill,
    find_file,
    find_shards,
    open_pretrained,
    read_tensors,
    reading,
)

TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyz12345678"


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"weight": torch.randn(3, 2), "bias": torch.randn(3)}


class TestReading:
    @pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "old.pt", "w.pth", "w.bin"])
    def test_every_format_gives_the_same_tensors(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_file(tensors(), path)
        else:
            torch.save(tensors(), path, _use_new_zipfile_serialization=name != "old.pt")
        found = read_tensors(path)
        assert found.keys() == tensors().keys()
        for key, value in tensors().items():
            torch.testing.assert_close(found[key], value, rtol=0, atol=0)

    def test_an_outer_dictionary_is_opened_by_its_key(self, tmp_path: Path) -> None:
        torch.save({"epoch": 3, "state_dict": tensors()}, tmp_path / "w.pt")
        assert read_tensors(tmp_path / "w.pt", inside="state_dict").keys() == tensors().keys()
        with pytest.raises(RewardError, match="not a dictionary of tensors"):
            read_tensors(tmp_path / "w.pt")

    def test_what_would_run_code_is_refused_and_not_run(self, tmp_path: Path) -> None:
        mark = tmp_path / "ran"
        torch.save({"weight": Runs(mark)}, tmp_path / "w.pt")
        (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Runs(mark)))
        for name in ("w.pt", "plain.pkl"):
            with pytest.raises(RewardError, match=r"would run code|cannot be read"):
                read_tensors(tmp_path / name)
        assert not mark.exists()

    def test_a_whole_module_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        torch.save(torch.nn.Linear(2, 3), tmp_path / "w.pth")
        with pytest.raises(RewardError, match="would run code") as caught:
            read_tensors(tmp_path / "w.pth")
        assert "state_dict" in str(caught.value.hint)

    @pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
    @pytest.mark.parametrize("data", [b"", b"PK broken", b"<html>Not found</html>"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RewardError, match=name):
            read_tensors(tmp_path / name)

    def test_a_refusal_names_what_it_met(self, tmp_path: Path) -> None:
        torch.save({"weight": Runs(tmp_path / "ran")}, tmp_path / "w.pt")
        with pytest.raises(RewardError, match=r"holds more than tensors \("):
            read_tensors(tmp_path / "w.pt")

    def test_a_number_of_numpy_s_beside_the_weights_is_no_harm(self, tmp_path: Path) -> None:
        saved = {"epoch": np.float64(3), "step": np.int64(4), "state_dict": tensors()}
        torch.save(saved, tmp_path / "w.pt")
        assert read_tensors(tmp_path / "w.pt", inside="state_dict").keys() == tensors().keys()

    @pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
    def test_what_lies_in_the_place_of_weights_is_told(self, tmp_path: Path, name: str) -> None:
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
        (tmp_path / name).write_bytes(pointer)
        with pytest.raises(RewardError, match="a pointer of Git LFS"):
            read_tensors(tmp_path / name)


class Runs:
    """Unpickled, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


class TestFilling:
    def test_weights_go_in_as_they_are(self) -> None:
        for device in ("cpu", "meta"):
            module = torch.nn.Linear(2, 3, device=device)
            fill(module, tensors(), "w.pt")
            torch.testing.assert_close(module.weight, tensors()["weight"])
            assert not module.weight.is_meta

    def test_they_are_cast_once(self) -> None:
        module = torch.nn.Linear(2, 3)
        fill(module, tensors(), "w.pt", torch.bfloat16)
        assert module.bias.dtype == torch.bfloat16

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda t: t.pop("bias"), r"w\.pt lacks weights: bias"),
            (lambda t: t.update(extra=torch.ones(1)), r"w\.pt has foreign weights: extra"),
            (lambda t: t.update(bias=torch.ones(4)), r"w\.pt: bias is \(4,\), \(3,\) expected"),
            (
                lambda t: t.update({f"x{i}": torch.ones(1) for i in range(5)}),
                "x0, x1, x2 and 2 more",
            ),
        ],
    )
    def test_a_key_too_many_or_too_few_is_named(self, change: Any, says: str) -> None:
        changed = tensors()
        change(changed)
        module = torch.nn.Linear(2, 3)
        before = module.weight.clone()
        with pytest.raises(RewardError, match=says):
            fill(module, changed, "w.pt")
        assert torch.equal(module.weight, before)

    def test_known_leftovers_are_left(self) -> None:
        found = tensors() | {"head.unused": torch.ones(1)}
        fill(torch.nn.Linear(2, 3), found, "w.pt", leftovers={"head.*": "of another task"})


def test_a_dtype_is_one_of_three() -> None:
    assert as_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(RewardError, match="'int8'"):
        as_dtype("int8")


class TestOpening:
    """What transformers opens."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        torch.manual_seed(0)
        CLIPVisionModelWithProjection(_tiny()).save_pretrained(tmp_path)
        return tmp_path

    def test_every_weight_and_every_shape_is_accounted_for(self, folder: Path) -> None:
        file = folder / "model.safetensors"
        weights = load_file(file)
        name = "visual_projection.weight"
        for change, says in (
            ({name: torch.ones(5, 16)}, rf"{name} is \(5, 16\), \(8, 16\) expected"),
            ({"more": torch.ones(1)}, "has foreign weights: more"),
        ):
            save_file(weights | change, file, metadata={"format": "pt"})
            with pytest.raises(RewardError, match=says):
                _open(folder)
        del weights[name]
        save_file(weights, file, metadata={"format": "pt"})
        with pytest.raises(RewardError, match=f"lacks weights: {name}"):
            _open(folder)

    def test_a_damaged_file_is_not_a_hub_that_is_silent(self, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"nothing of the kind")
        with pytest.raises(CheckpointError, match="cannot be read: SafetensorError"):
            _open(folder)

    @pytest.mark.parametrize("kind", [MemoryError, torch.OutOfMemoryError, ImportError])
    def test_what_says_nothing_of_the_files_is_let_through(self, kind: type[Exception]) -> None:
        for place in ("owner/name", "."):
            with pytest.raises(kind), reading(place, None):
                raise kind("out of memory")

    def test_transformers_is_as_it_was_and_its_bot_asks_nobody(self, folder: Path) -> None:
        from transformers.utils import logging

        before = (logging.get_verbosity(), logging.is_progress_bar_enabled(), dict(os.environ))
        with reading(str(folder), None):
            assert os.environ["DISABLE_SAFETENSORS_CONVERSION"] == "1"
            assert not logging.is_progress_bar_enabled()
        _open(folder)
        after = (logging.get_verbosity(), logging.is_progress_bar_enabled(), dict(os.environ))
        assert before == after


def _tiny() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        image_size=8,
        patch_size=8,
        projection_dim=8,
    )


def _open(folder: Path) -> Any:
    return open_pretrained(CLIPVisionModelWithProjection, str(folder), None, torch.float32)


class TestFinding:
    def test_the_first_name_a_folder_holds(self, tmp_path: Path) -> None:
        (tmp_path / "b.pt").touch()
        assert find_file(str(tmp_path), None, "a.safetensors", "b.pt").name == "b.pt"
        with pytest.raises(CheckpointError, match=r"holds no a\.safetensors or c\.pt"):
            find_file(str(tmp_path), None, "a.safetensors", "c.pt")

    @pytest.mark.parametrize(
        ("error", "kind", "says"),
        [
            (GatedRepoError, CheckpointError, "owner/name is gated"),
            (RepositoryNotFoundError, CheckpointError, "there is no model 'owner/name'"),
            (LocalEntryNotFoundError, HubUnreachable, "owner/name: the Hub cannot be reached"),
            (ConnectionError, HubUnreachable, "cannot be reached"),
        ],
    )
    def test_what_the_hub_refuses_is_said_with_its_page_and_no_token(
        self, monkeypatch: pytest.MonkeyPatch, error: Any, kind: type[Exception], says: str
    ) -> None:
        def refuse(*_: Any, **__: Any) -> str:
            message = f"401 for https://huggingface.co with Authorization: Bearer {TOKEN}"
            if issubclass(error, RepositoryNotFoundError):
                request = httpx.Request("GET", "https://huggingface.co")
                raise error(message, response=httpx.Response(401, request=request))
            raise error(message)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
        with pytest.raises(kind, match=says) as caught:
            find_file("owner/name", "main", "w.pt")
        told = f"{caught.value} {getattr(caught.value, 'hint', '')}"
        assert TOKEN not in told
        assert "huggingface.co/owner/name" in told

    def test_the_second_name_where_the_repository_lacks_the_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def download(repository: str, name: str, **_: Any) -> str:
            if name != "b.pt":
                request = httpx.Request("GET", "https://huggingface.co")
                raise RemoteEntryNotFoundError(name, response=httpx.Response(404, request=request))
            return f"/cache/{name}"

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        assert find_file("owner/name", None, "a.pt", "b.pt") == Path("/cache/b.pt")
        with pytest.raises(CheckpointError, match=r"holds no a\.pt or c\.pt"):
            find_file("owner/name", None, "a.pt", "c.pt")

    def test_a_network_that_failed_once_is_not_waited_for_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[str] = []

        def download(repository: str, name: str, *, local_files_only: bool, **_: Any) -> str:
            if not local_files_only:
                waited.append(name)
            if name != "c.pt":
                raise LocalEntryNotFoundError(name)
            return f"/cache/{name}"

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        assert find_file("owner/name", None, "a.pt", "b.pt", "c.pt") == Path("/cache/c.pt")
        with pytest.raises(HubUnreachable):
            find_file("owner/name", None, "a.pt", "b.pt")
        assert waited == ["a.pt", "a.pt"]


@pytest.mark.parametrize("shard", ["../w.safetensors", "{}/w.safetensors", "w\0.safetensors", 3])
def test_an_index_names_no_file_outside_of_its_folder(tmp_path: Path, shard: object) -> None:
    save_file(tensors(), tmp_path / "w.safetensors")
    folder = tmp_path / "reward"
    folder.mkdir()
    name = shard.format(tmp_path) if isinstance(shard, str) else shard
    (folder / "m.index.json").write_text(json.dumps({"weight_map": {"weight": name}}))
    with pytest.raises(RewardError, match="names a file elsewhere"):
        find_shards(str(folder), None, "m.index.json")


def test_an_index_without_a_bottom_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "m.index.json").write_text('{"a":' * 50_000)
    with pytest.raises(RewardError, match="does not say where weights are"):
        find_shards(str(tmp_path), None, "m.index.json")
