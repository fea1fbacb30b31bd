"""CycleReward on a small random BLIP, against what its authors' code said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from synpic.errors import RewardError
from synpic.score.cyclereward import CycleReward
from synpic.score.towers.rating_head import rating_head
from tests.parity.inputs import named_weight, picture

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "cyclereward.json"
ORACLE: dict[str, Any] = json.loads(FIXTURE.read_text())
TOWER, TEXT = ORACLE["vision"], ORACLE["text"]
PROMPTS = [one["prompt"] for one in ORACLE["scores"]]
EXPECTED = [one["score"] for one in ORACLE["scores"]]
UNBENT = [one["without GELU"] for one in ORACLE["scores"]]
POSITIONS = "blip.text_encoder.embeddings.position_ids"
TOLERANCE = 1e-5


class Small(CycleReward):
    """CycleReward with the towers of the fixture."""

    _vision: ClassVar[Mapping[str, Any]] = {
        "hidden_size": TOWER["embed_dim"],
        "intermediate_size": 4 * TOWER["embed_dim"],
        "num_hidden_layers": TOWER["depth"],
        "num_attention_heads": TOWER["num_heads"],
        "image_size": TOWER["img_size"],
        "patch_size": TOWER["patch_size"],
    }
    _text: ClassVar[Mapping[str, Any]] = {key: TEXT[key] for key in CycleReward._text}


def weights() -> dict[str, torch.Tensor]:
    """Under the names of the authors' file, the numbers of positions among them."""
    named = {name: named_weight(name, tuple(shape)) for name, shape in ORACLE["tensors"].items()}
    return {**named, POSITIONS: torch.arange(128)[None]}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(ORACLE["vocabulary"]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory, tokenizer: Path) -> CycleReward:
    """Opened from a file as the authors' release has it, read without running code."""
    folder = tmp_path_factory.mktemp("cyclereward")
    torch.save(weights(), folder / "CycleReward-Combo.pth")
    return opened(folder, tokenizer)


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    return [picture(*one["picture"]) for one in ORACLE["scores"]]


def opened(checkpoint: Path, tokenizer: Path, **options: Any) -> CycleReward:
    return Small(str(checkpoint), None, "cpu", str(tokenizer), **options)


def near(expected: list[float]) -> Any:
    return pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


def test_is_what_upstream_says(reward: CycleReward, images: list[Image.Image]) -> None:
    assert reward.score(PROMPTS, images) == near(EXPECTED)
    assert max(EXPECTED) - min(EXPECTED) > 10 * TOLERANCE, "or little would be shown"


def test_what_shares_the_batch_changes_nothing(
    reward: CycleReward, images: list[Image.Image]
) -> None:
    for size in (1, 5):
        for start in range(len(PROMPTS) - size, -1, -size):
            some = slice(start, start + size)
            assert reward.score(PROMPTS[some], images[some]) == near(EXPECTED[some])


def test_without_gelu_it_would_be_another_number(
    reward: CycleReward, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = rating_head(TEXT["hidden_size"]).layers
    layers = reward._rate._parts["head"].layers
    kept = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in straight] == [layer.out_features for layer in kept]
    monkeypatch.setitem(reward._rate._parts._modules, "head", torch.nn.Sequential(*kept))
    found = reward.score(PROMPTS, images)
    assert found == near(UNBENT)
    assert found != near(EXPECTED)


def test_128_tokens_are_read(reward: CycleReward) -> None:
    image = picture(0, 40, 40)
    words = "crab cat circle " * 42  # 126 tokens: with beginning and end, as many as are read
    whole, longer, other = reward.score(
        [words, words + "red", words.removeprefix("crab ") + "red"], [image] * 3
    )
    assert whole == pytest.approx(longer, abs=1e-6)
    assert abs(whole - other) > 100 * TOLERANCE


def test_safetensors_are_read_where_they_are(
    tmp_path: Path, tokenizer: Path, images: list[Image.Image]
) -> None:
    save_file(weights(), tmp_path / "model.safetensors")
    (tmp_path / "CycleReward-Combo.pth").write_bytes(b"not to be looked at")
    assert opened(tmp_path, tokenizer).score(PROMPTS[:2], images[:2]) == near(EXPECTED[:2])


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    torch.save({"model": torch.nn.Linear(1, 1)}, tmp_path / "CycleReward-T2I.pth")
    with pytest.raises(RewardError, match="reading it would run code"):
        opened(tmp_path, tokenizer)


def test_imagerewards_head_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    """Its last layer has another place."""
    tensors = weights()
    for kind in ("weight", "bias"):
        tensors[f"mlp.layers.7.{kind}"] = tensors.pop(f"mlp.layers.8.{kind}")
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RewardError, match=r"lacks weights: mlp\.layers\.8\.bias"):
        opened(tmp_path, tokenizer)


def test_the_published_size_is_blips() -> None:
    assert (CycleReward._vision["hidden_size"], CycleReward._text["hidden_size"]) == (1024, 768)
    assert CycleReward._vision["image_size"] == 224
