"""ImageReward on a small random BLIP, against what the authors' package said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from synpic.errors import CheckpointError, RewardError
from synpic.score.imagereward import ImageReward
from synpic.score.towers.clip_pixels import ClipPixels
from tests.parity.inputs import picture, unpack

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "imagereward"
ORACLE = json.loads((FIXTURE / "expected.json").read_text())
TOWER = ORACLE["vision"]
POSITIONS = "blip.text_encoder.embeddings.position_ids"


class Small(ImageReward):
    """ImageReward with the tower of the fixture."""

    _vision: ClassVar[Mapping[str, Any]] = {
        "hidden_size": TOWER["embed_dim"],
        "intermediate_size": 4 * TOWER["embed_dim"],
        "num_hidden_layers": TOWER["depth"],
        "num_attention_heads": TOWER["num_heads"],
        "image_size": TOWER["img_size"],
        "patch_size": TOWER["patch_size"],
    }


def weights() -> dict[str, torch.Tensor]:
    """Under the names of the authors' file, the numbers of positions among them."""
    return {**unpack(FIXTURE / "weights.safetensors"), POSITIONS: torch.arange(40)[None]}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a repository of BERT's tokenizer is."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(ORACLE["vocabulary"]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the authors' repository is."""
    folder = tmp_path_factory.mktemp("imagereward")
    shutil.copy(FIXTURE / "med_config.json", folder)
    torch.save(weights(), folder / "ImageReward.pt")
    return folder


def opened(checkpoint: Path, tokenizer: Path, **options: Any) -> ImageReward:
    return Small(str(checkpoint), None, "cpu", str(tokenizer), **options)


@pytest.fixture(scope="module")
def reward(checkpoint: Path, tokenizer: Path) -> ImageReward:
    return opened(checkpoint, tokenizer)


Pairs = tuple[list[str], list[Image.Image]]


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    images = [Image.open(FIXTURE / "images" / one["image"]) for one in ORACLE["scores"]]
    return [one["prompt"] for one in ORACLE["scores"]], [i.convert("RGB") for i in images]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return [one["score"] for one in ORACLE["scores"]]


def test_is_what_upstream_says(reward: ImageReward, pairs: Pairs, expected: list[float]) -> None:
    assert reward.score(*pairs) == pytest.approx(expected, rel=1e-5)
    assert np.std(expected) > 0.1, "or little would be shown"


def test_what_shares_the_batch_changes_nothing(
    reward: ImageReward, pairs: Pairs, expected: list[float]
) -> None:
    prompts, images = pairs
    for size in (1, 5):
        for start in range(len(prompts) - size, -1, -size):
            some = slice(start, start + size)
            scores = reward.score(prompts[some], images[some])
            assert scores == pytest.approx(expected[some], rel=1e-5)
    assert reward.score([], []) == []


def test_what_is_longer_than_35_tokens_is_cut_off(reward: ImageReward) -> None:
    image = picture(0, 40, 40)
    words = "crab cat circle " * 11  # 33 tokens: with beginning and end, as many as are read
    whole, longer, other, empty = reward.score(
        [words, words + "red", words.removeprefix("crab ") + "red", ""], [image] * 4
    )
    assert whole == pytest.approx(longer, rel=1e-6)
    assert whole != pytest.approx(other, rel=1e-3)
    assert whole != pytest.approx(empty, rel=1e-3)


def test_the_tokens_that_blip_added_are_read_as_such(reward: ImageReward) -> None:
    image = picture(0, 40, 40)
    scores = reward.score(["a [DEC] circle", "a [ENC] circle", "a [UNK] circle"], [image] * 3)
    assert len({round(score, 4) for score in scores}) == 3


def test_pixels_are_those_of_openais_clip(reward: ImageReward, pairs: Pairs) -> None:
    clip = ClipPixels(TOWER["img_size"])
    assert reward.preprocessing == clip.preprocessing
    for image in pairs[1]:
        assert torch.equal(reward.pixels(image), clip(image))
    assert ImageReward._vision["image_size"] == 224


def changed(folder: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    shutil.copy(FIXTURE / "med_config.json", folder)
    torch.save(dict(tensors), folder / "ImageReward.pt")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "blip.visual_encoder.blocks.1.attn.proj.weight",
        "blip.visual_encoder.norm.bias",
        "blip.text_encoder.encoder.layer.0.crossattention.self.query.weight",
        "mlp.layers.7.bias",
    ],
)
def test_a_missing_weight_is_named_as_the_file_names_it(
    tmp_path: Path, tokenizer: Path, name: str
) -> None:
    kept = {key: tensor for key, tensor in weights().items() if key != name}
    with pytest.raises(RewardError, match=f"lacks weights: {name}$"):
        opened(changed(tmp_path, kept), tokenizer)


@pytest.mark.parametrize(
    "name",
    [
        "blip.visual_encoder.blocks.2.norm1.weight",
        "blip.text_encoder.pooler.dense.weight",
        "blip.text_decoder.cls.predictions.bias",
        "mlp.layers.1.weight",
        "module.mean",
    ],
)
def test_a_foreign_weight_is_named(tmp_path: Path, tokenizer: Path, name: str) -> None:
    with pytest.raises(RewardError, match=f"foreign weights: {name}$"):
        opened(changed(tmp_path, {**weights(), name: torch.zeros(3)}), tokenizer)


def test_leftovers_are_known_and_needed_by_nobody(
    tmp_path: Path, tokenizer: Path, pairs: Pairs, expected: list[float]
) -> None:
    unused = {
        POSITIONS,
        *(f"blip.{of}_proj.{kind}" for of in ("vision", "text") for kind in ("weight", "bias")),
    }
    assert unused <= weights().keys()
    kept = {key: tensor for key, tensor in weights().items() if key not in unused}
    scores = opened(changed(tmp_path, kept), tokenizer).score(*pairs)
    assert scores == pytest.approx(expected, rel=1e-5)


def test_weights_of_another_size_are_refused(tmp_path: Path, tokenizer: Path) -> None:
    tensors = weights()
    tensors["mlp.layers.0.weight"] = tensors["mlp.layers.0.weight"][:, :-1]
    with pytest.raises(RewardError, match=r"is \(1024, 31\), \(1024, 32\) expected"):
        opened(changed(tmp_path, tensors), tokenizer)


def test_another_tokenizer_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(ORACLE["vocabulary"][:-1]) + "\n")
    with pytest.raises(RewardError, match=r"has 58 tokens, 59 expected") as error:
        opened(checkpoint, tmp_path)
    assert "google-bert/bert-base-uncased" in str(error.value.hint)


def test_a_description_that_is_none_is_refused(
    checkpoint: Path, tokenizer: Path, tmp_path: Path
) -> None:
    shutil.copy(checkpoint / "ImageReward.pt", tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no med_config\.json"):
        opened(tmp_path, tokenizer)
    for text in ("{", "[]", '{"vocab_size": 3}'):
        (tmp_path / "med_config.json").write_text(text)
        with pytest.raises(RewardError, match=r"med_config\.json does not describe a BERT"):
            opened(tmp_path, tokenizer)


def test_safetensors_are_read_where_they_are(
    tmp_path: Path, tokenizer: Path, pairs: Pairs, expected: list[float]
) -> None:
    shutil.copy(FIXTURE / "med_config.json", tmp_path)
    (tmp_path / "ImageReward.pt").write_bytes(b"not to be looked at")
    save_file(weights(), tmp_path / "ImageReward.safetensors")
    assert opened(tmp_path, tokenizer).score(*pairs) == pytest.approx(expected, rel=1e-5)


def test_in_bfloat16_it_is_near_and_makes_no_ties(
    checkpoint: Path, tokenizer: Path, pairs: Pairs, expected: list[float]
) -> None:
    scores = opened(checkpoint, tokenizer, dtype="bfloat16").score(*pairs)
    assert scores == pytest.approx(expected, abs=0.05)
    assert scores != pytest.approx(expected, rel=1e-5)
    assert len(set(scores)) == len(set(expected))
    with pytest.raises(RewardError, match="'int8' is not one that rewards run in"):
        opened(checkpoint, tokenizer, dtype="int8")
