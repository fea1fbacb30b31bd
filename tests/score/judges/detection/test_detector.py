"""The detector in small, with random weights in mmdet's layout, against an independent port."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from synpic.errors import CheckpointError, RewardError
from synpic.score.judges.detection.detector import ARCHITECTURE, Detector, network
from synpic.score.judges.detection.kept import place
from synpic.score.judges.detection.mmdet_layout import from_mmdet
from synpic.score.judges.detection.published import FILE, hold_to_name
from synpic.score.judges.detection.shown import shown
from tests.score.judges.detection.mmdet import SWIN_S, TINY, Size, saved, shapes, weights

FIXTURE = Path(__file__).parents[3] / "parity" / "fixtures" / "geneval"
ORACLE = json.loads((FIXTURE / "expected.json").read_text())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def published(folder: Path, **more: Any) -> str:
    """A file as mmdet's model zoo has it, in small; its name."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(saved(TINY, **more), folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    name = f"mask2former_tiny-{digest[:8]}.pth"
    (folder / "new.pth").rename(folder / name)
    return name


def opened(folder: Path, name: str, dtype: torch.dtype = torch.float32) -> Detector:
    return Detector(str(folder), None, "cpu", dtype, name, TINY.architecture())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mmdet")
    published(made)
    return made


@pytest.fixture
def detector(folder: Path) -> Detector:
    return opened(folder, next(folder.glob("*.pth")).name)


def require_same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    """Every weight of two networks is equal, and what they compute is the same.

    On some processors the last bits of that depend on where weights lie in memory: 3e-5 was seen
    between two networks that were opened from one file.
    """
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    with torch.inference_mode():
        first, second = (made(pixel_values=noise(32, 32)) for made in (one, other))
    for name in ("class_queries_logits", "masks_queries_logits"):
        assert float((first[name] - second[name]).abs().max()) < 1e-4


def noise(height: int, width: int) -> torch.Tensor:
    """As ``tests/parity/oracle_geneval.py`` makes it."""
    rng = np.random.default_rng(height)
    return torch.from_numpy(rng.standard_normal((1, 3, height, width), np.float32))


@pytest.mark.parametrize("size", ORACLE["shown"], ids=str)
def test_is_what_an_independent_port_computes(detector: Detector, size: list[int]) -> None:
    expected = load_file(FIXTURE / "outputs.safetensors")
    with torch.inference_mode():
        classes, masks = detector.logits(noise(*size))
    for ours, kind in ((classes, "classes"), (masks, "masks")):
        theirs = expected[f"{size[0]}x{size[1]}.{kind}"]
        assert ours.shape == theirs.shape
        assert float((ours - theirs).abs().max()) < 1e-4
        assert float(theirs.std()) > 0.5, "agreement on nothing"


def test_the_full_detector_has_625_tensors_each_with_a_place() -> None:
    names = shapes(SWIN_S)
    assert len(names) == 625
    made = network(ARCHITECTURE, weights=False).state_dict()
    kept = [key for key in made if "swin.layernorm" not in key and "criterion" not in key]
    tensors = {name: torch.empty(shape, device="meta") for name, shape in names.items()}
    placed = from_mmdet(tensors, kept, "the file")
    assert {key: tensor.shape for key, tensor in placed.items()} == {
        key: made[key].shape for key in kept
    }
    assert sum(tensor.numel() for tensor in placed.values()) == sum(
        tensor.numel() for tensor in tensors.values()
    ), "each number has one place"


def test_patches_are_merged_in_the_order_of_transformers(detector: Detector) -> None:
    """The port's numbers show that the rest is in its place; here is the one that is reordered."""
    made = detector._network.state_dict()
    ours = weights(TINY)
    reduction = torch.from_numpy(ours["backbone.stages.0.downsample.reduction.weight"])
    placed = made[
        "model.pixel_level_module.encoder.swin.encoder.layers.0.downsample.reduction.weight"
    ]
    width = TINY.embed
    for place_of, there in enumerate([0, 2, 1, 3]):
        for channel in (0, 1, width - 1):
            column = placed[:, place_of * width + channel]
            assert torch.equal(column, reduction[:, channel * 4 + there])


def test_a_tensor_too_few_or_too_many_is_named_as_in_the_file(tmp_path: Path) -> None:
    state = saved(TINY)
    del state["state_dict"]["panoptic_head.mask_embed.2.bias"]
    for says in (
        "lacks weights: panoptic_head.mask_embed.2.bias",
        "foreign weights: backbone.extra",
    ):
        torch.save(state, tmp_path / "w.pth")
        digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
        (tmp_path / "w.pth").rename(tmp_path / f"w-{digest[:8]}.pth")
        with pytest.raises(RewardError, match=says):
            opened(tmp_path, f"w-{digest[:8]}.pth")
        state = saved(TINY)
        state["state_dict"]["backbone.extra"] = torch.zeros(2)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    name = next(folder.glob("*.pth")).name
    larger = Size(embed=32).architecture()
    with pytest.raises(RewardError, match=r"patch_embed.* expected"):
        Detector(str(folder), None, "cpu", torch.float32, name, larger)


def test_a_file_is_held_to_the_digits_in_its_name(tmp_path: Path) -> None:
    name = published(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RewardError, match=f"expected {name[-12:-4]}"):
        opened(tmp_path, name)
    (tmp_path / "plain.pth").write_bytes(data)
    with pytest.raises(RewardError, match=r"digits of it at the end of plain\.pth"):
        hold_to_name(tmp_path / "plain.pth", "plain.pth")
    with pytest.raises(RewardError, match="expected 743b7d99"):
        hold_to_name(tmp_path / "plain.pth", FILE)


def test_a_file_that_runs_code_is_refused(tmp_path: Path, cache: Path) -> None:
    state = saved(TINY)
    state["meta"]["config"] = Path("harmless")
    torch.save(state, tmp_path / "w.pth")
    digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    (tmp_path / "w.pth").rename(tmp_path / f"w-{digest[:8]}.pth")
    with pytest.raises(RewardError, match="would run code"):
        opened(tmp_path, f"w-{digest[:8]}.pth")
    assert not cache.exists()


def test_weights_are_converted_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(folder.glob("*.pth")).name
    first = opened(folder, name)
    with monkeypatch.context() as patched:
        patched.setattr("synpic.score.judges.detection.detector.read_tensors", None)
        require_same(first._network, opened(folder, name)._network)
    kept = place(hold_to_name(folder / name, name))
    # What was damaged there since is converted anew.
    with (kept / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    require_same(first._network, opened(folder, name)._network)
    # The folder is a checkpoint of transformers, and can be named as one.
    converted = opened(kept, name)
    assert converted.published
    assert not opened(kept, FILE).published
    require_same(first._network, converted._network)
    assert not [one for one in kept.parent.iterdir() if one != kept], "something is left over"


def test_a_cache_that_cannot_be_written_is_none(folder: Path, cache: Path) -> None:
    cache.write_text("a file in the place of the folder")
    assert opened(folder, next(folder.glob("*.pth")).name).published


def test_other_weights_are_opened_and_marked(
    folder: Path, tmp_path: Path, detector: Detector
) -> None:
    assert detector.published
    made = network(TINY.architecture())
    made.save_pretrained(tmp_path)
    other = opened(tmp_path, FILE)
    assert not other.published
    require_same(other._network, made)


def test_what_is_no_such_model_is_refused(tmp_path: Path) -> None:
    from transformers import CLIPConfig

    CLIPConfig().save_pretrained(tmp_path)
    with pytest.raises(RewardError, match=r"is a clip model .* expected a mask2former with 80"):
        opened(tmp_path, FILE)
    few = {**TINY.architecture(), "num_labels": 133}
    network(few).config.save_pretrained(tmp_path)
    with pytest.raises(RewardError, match="with 133 labels"):
        opened(tmp_path, FILE)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    with pytest.raises(CheckpointError, match=FILE):
        opened(tmp_path, FILE)


def pictures(*sizes: tuple[int, int]) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    small = [Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)) for _ in sizes]
    return [
        one.resize(size, Image.Resampling.BICUBIC) for one, size in zip(small, sizes, strict=True)
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are made smaller than GenEval's, so that a CPU is soon done with them."""
    monkeypatch.setattr("synpic.score.judges.detection.shown.SHORT", 64)
    monkeypatch.setattr("synpic.score.judges.detection.shown.LONG", 128)


def test_what_shares_the_batch_changes_nothing(small: None, detector: Detector) -> None:
    ready = [shown(one) for one in pictures((90, 90), (90, 60), (60, 90), (61, 61), (200, 30))]
    together = detector.find(ready)
    assert any(together)
    for order in ([4, 3, 2, 1, 0], [0, 0, 3], [2]):
        for number, found in zip(order, detector.find([ready[n] for n in order]), strict=True):
            assert [one.name for one in found] == [one.name for one in together[number]]
            for one, other in zip(found, together[number], strict=True):
                assert one.score == pytest.approx(other.score, abs=1e-5)
                assert one.box == other.box
                assert (one.mask == other.mask).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(folder: Path, dtype: torch.dtype, detector: Detector) -> None:
    name = next(folder.glob("*.pth")).name
    with torch.inference_mode():
        full = detector.logits(noise(64, 96))[0].softmax(-1)
        half = opened(folder, name, dtype).logits(noise(64, 96))[0].float().softmax(-1)
    assert 0 < float((full - half).abs().mean()) < 0.01


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_at_full_size_it_is_what_an_independent_port_computes() -> None:
    """With all 625 tensors, random. Takes jax, and a checkout of the port."""
    upstream = os.environ.get("JAX_GENEVAL")
    if not upstream:
        pytest.skip("JAX_GENEVAL names no checkout of github.com/PeppaKing8/jax-geneval")
    pytest.importorskip("jax", reason="jax is not installed")
    sys.path.insert(0, str(Path(upstream) / "src"))
    from tests.parity.oracle_geneval import detector as port

    made = network(ARCHITECTURE, weights=False)
    state = made.state_dict()
    own = {key for key in state if "swin.layernorm" in key or "criterion" in key}
    tensors = {name: torch.from_numpy(array) for name, array in weights(SWIN_S).items()}
    placed = from_mmdet(tensors, state.keys() - own, "random weights")
    made.load_state_dict(
        {**placed, **{key: torch.ones(state[key].shape) for key in own}}, assign=True
    )
    pixels = noise(256, 256)
    with torch.inference_mode():
        out = made(pixel_values=pixels)
    classes, masks = port(SWIN_S, pixels.numpy())
    assert float(np.abs(out.class_queries_logits.numpy() - classes).max()) < 1e-4
    assert float(np.abs(out.masks_queries_logits.numpy() - masks).max()) < 2e-4
