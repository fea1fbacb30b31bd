"""Checkpoints to resume from: whole or not there, and of this run or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from synpic.errors import StorageError, TrainingError
from synpic.train import state
from synpic.train.state import latest, load_state, save_state, unread
from synpic.train.training_loop import train
from synpic.workspace import whole_folder
from tests.dying import dies_at
from tests.train.conftest import Wanted

DECIDES = {"seed": 0, "objective": {"name": "rankdpo", "beta": 100.0}}


def parts(value: float = 1.0) -> tuple[dict[str, Tensor], torch.optim.Optimizer]:
    weights = {"a.weight": torch.full((2, 3), value, requires_grad=True)}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.1)
    weights["a.weight"].sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return weights, optimizer


def stamp(checkpoint: Path) -> None:
    """Write the hashes that the files of ``checkpoint`` have now, as ``sha256sum`` does."""
    names = ["optimizer.pt", "state.json", "weights.safetensors"]
    hashes = [hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() for name in names]
    lines = [f"{digest}  {name}\n" for digest, name in zip(hashes, names, strict=True)]
    (checkpoint / "SHA256SUMS").write_text("".join(lines))


def test_what_is_saved_is_put_back(tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=2)
    assert latest(tmp_path) == saved == tmp_path / "step-00000007"
    others, other = parts(5.0)
    assert load_state(saved, others, other, None, DECIDES) == 7
    assert torch.equal(others["a.weight"], weights["a.weight"])
    for pair in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert all(torch.equal(pair[0][key], pair[1][key]) for key in pair[0])


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    weights, optimizer = parts()
    for step in (9, 10, 99, 100, 1000):
        save_state(tmp_path, step, weights, optimizer, None, DECIDES, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000100", "step-00001000"]
    assert latest(tmp_path / "none") is None


def test_a_disk_that_fills_up_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, optimizer = parts()
    before = save_state(tmp_path, 1, weights, optimizer, None, DECIDES, keep=1)

    def full(*arguments: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")

    monkeypatch.setattr(state.torch, "save", full)
    with pytest.raises(StorageError, match="cannot be written"):
        save_state(tmp_path, 2, weights, optimizer, None, DECIDES, keep=1)
    assert list(tmp_path.iterdir()) == [before]


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_serves(
    name: str, harm: str, tmp_path: Path
) -> None:
    weights, optimizer = parts()
    before = save_state(tmp_path, 1, weights, optimizer, None, DECIDES, keep=2)
    newest = save_state(tmp_path, 2, weights, optimizer, None, DECIDES, keep=2)
    file = newest / name
    if harm == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.unlink()
    with pytest.raises(TrainingError, match="step-00000002 cannot be read") as caught:
        load_state(newest, weights, optimizer, None, DECIDES)
    assert "delete that folder" in str(caught.value.hint)
    shutil.rmtree(newest)
    assert latest(tmp_path) == before


def test_settings_that_changed_are_named(tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 1, weights, optimizer, None, DECIDES, keep=1)
    other = {"seed": 0, "objective": {"name": "rankdpo", "beta": 200.0}}
    with pytest.raises(TrainingError, match=r"objective\.beta was 100\.0, now 200\.0$"):
        load_state(saved, weights, optimizer, None, other)


def test_a_run_whose_newest_checkpoint_is_damaged_says_so(wanted: Wanted, tmp_path: Path) -> None:
    recipe = wanted("sd", "run.steps=3", "run.save_every=1")
    train(recipe, tmp_path)
    newest = tmp_path / "checkpoints" / "step-00000003"
    (newest / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(TrainingError, match="step-00000003 cannot be read"):
        train(recipe, tmp_path)
    shutil.rmtree(newest)
    assert train(recipe, tmp_path).about["steps"] == 3
    assert (newest / "weights.safetensors").stat().st_size > 4


WRONG = ("x", -1, 1.5, [], {}, None, True, 1 << 60, [[[[]]]])


@pytest.mark.parametrize("key", ["step", "decides", "decides.seed", "decides.objective.beta"])
@pytest.mark.parametrize("value", [..., *WRONG], ids=str)
def test_any_key_of_a_checkpoint_taken_away_or_of_another_type(
    key: str, value: object, tmp_path: Path
) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    about = json.loads((saved / "state.json").read_text())
    holder = about
    for name in key.split(".")[:-1]:
        holder = holder[name]
    if value is ...:
        del holder[key.split(".")[-1]]
    else:
        holder[key.split(".")[-1]] = value
    (saved / "state.json").write_text(json.dumps(about))
    stamp(saved)
    if key.startswith("decides") and (key != "decides" or value == {}):
        said = r"state\.json: decides: .* is of a run with other settings"
    else:
        said = rf"step-00000007 cannot be read: .*state\.json: {key}: "
    with pytest.raises(TrainingError, match=said):
        load_state(saved, weights, optimizer, None, DECIDES)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"step": 1e999}'])
def test_a_state_that_is_no_json(data: bytes, tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    (saved / "state.json").write_bytes(data)
    with pytest.raises(TrainingError, match=r"step-00000007 cannot be read: .*state\.json: "):
        load_state(saved, weights, optimizer, None, DECIDES)


def test_weights_of_another_shape_or_name_are_not_taken(tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    save_file({"a.weight": torch.ones(1)}, saved / "weights.safetensors")
    stamp(saved)
    with pytest.raises(TrainingError, match=r"a\.weight has shape \[1\], not \[2, 3\]"):
        load_state(saved, weights, optimizer, None, DECIDES)
    save_file({"b": torch.ones(2, 3)}, saved / "weights.safetensors")
    stamp(saved)
    with pytest.raises(TrainingError, match=r"weights\.safetensors (holds b|lacks a\.weight)"):
        load_state(saved, weights, optimizer, None, DECIDES)
    assert float(weights["a.weight"].detach()[0, 0]) != 1.0


def test_other_folders_are_no_checkpoints(tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    others = [
        "step-",
        "step-00000099.bak",
        "step-000000099",
        "step-8",
        f"step-{'9' * 17}",
        "step-old",
    ]
    for name in others:
        (tmp_path / name).mkdir()
    assert latest(tmp_path) == saved
    assert unread(tmp_path) == sorted(others)
    assert unread(tmp_path / "none") == []


@pytest.mark.parametrize("kind", ["empty folder", "file", "link to nothing"])
def test_what_is_named_as_a_checkpoint_and_is_none(kind: str, tmp_path: Path) -> None:
    weights, optimizer = parts()
    save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    odd = tmp_path / "step-00000008"
    if kind == "empty folder":
        odd.mkdir()
    elif kind == "file":
        odd.write_text("notes")
    else:
        odd.symlink_to(tmp_path / "gone")
    assert latest(tmp_path) == odd
    with pytest.raises(TrainingError, match="step-00000008 cannot be read: ") as caught:
        load_state(odd, weights, optimizer, None, DECIDES)
    assert "goes on from step 7" in str(caught.value.hint)


def test_a_checkpoint_of_an_earlier_synpic_has_no_hashes(tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    (saved / "SHA256SUMS").unlink()
    with pytest.raises(TrainingError, match="is of an earlier synpic") as caught:
        load_state(saved, weights, optimizer, None, DECIDES)
    assert "starts again" in str(caught.value.hint)
    stamp(saved)
    assert load_state(saved, weights, optimizer, None, DECIDES) == 7


def test_hashes_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=saved, check=True)


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "optimizer.pt", "state.json", "SHA256SUMS"]
)
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 41])
def test_any_bit_flipped_is_named_or_changes_nothing(
    name: str, stride: int, tmp_path: Path
) -> None:
    weights, optimizer = parts()
    saved = save_state(tmp_path, 7, weights, optimizer, None, DECIDES, keep=1)
    file = saved / name
    data = file.read_bytes()
    named = 0
    for place in [*range(0, len(data), stride), len(data) - 1]:
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << place % 8
        file.write_bytes(spoilt)
        others, other = parts(5.0)
        try:
            assert load_state(saved, others, other, None, DECIDES) == 7
        except TrainingError as error:
            assert name in error.message
            assert error.hint
            named += 1
            continue
        assert name == "SHA256SUMS", "of these no bit may be another"
        assert torch.equal(others["a.weight"], weights["a.weight"])
    assert named >= len(data) // stride - 2


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 9])
def test_a_save_that_is_killed_anywhere_leaves_a_whole_checkpoint(
    stride: int, tmp_path: Path
) -> None:
    weights, optimizer = parts()
    for step in (1, 2):
        save_state(tmp_path, step, weights, optimizer, None, DECIDES, keep=1)
    line = 0
    found = set()

    def save() -> None:
        save_state(tmp_path, 3, weights, optimizer, None, DECIDES, keep=1)

    while dies_at(line, [state, whole_folder], save):
        newest = latest(tmp_path)
        assert newest is not None
        others, other = parts(5.0)
        found.add(load_state(newest, others, other, None, DECIDES))
        assert torch.equal(others["a.weight"], weights["a.weight"])
        save()
        assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
        save_state(tmp_path, 2, weights, optimizer, None, DECIDES, keep=2)
        shutil.rmtree(tmp_path / "step-00000003")
        line += stride
    assert found == {2, 3}
