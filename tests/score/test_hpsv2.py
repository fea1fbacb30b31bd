"""HPSv2 on a small random CLIP, against what the authors' package said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from synpic.errors import CheckpointError, RewardError
from synpic.score.hpsv2 import HPSv2
from synpic.score.towers.clip_pixels import MEAN, STD
from tests.parity.inputs import picture, unpack

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "hpsv2"
ORACLE = json.loads((FIXTURE / "expected.json").read_text())
SIZE = ORACLE["architecture"]["vision_cfg"]["image_size"]
BLACK = [-mean / std for mean, std in zip(MEAN, STD, strict=True)]


class Small(HPSv2):
    """HPSv2 with the towers of the fixture."""

    @staticmethod
    def _architecture() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(ORACLE["architecture"]))
        return found


def weights() -> dict[str, torch.Tensor]:
    """The fixture's, with the rows of the table of tokens that it leaves out."""
    kept = unpack(FIXTURE / "weights.safetensors")
    rows = kept["token_embedding.weight"]
    table = torch.zeros(ORACLE["architecture"]["text_cfg"]["vocab_size"], rows.shape[1])
    table[ORACLE["tokens"]] = rows
    return {**kept, "token_embedding.weight": table}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the authors' repository is."""
    folder = tmp_path_factory.mktemp("hpsv2")
    torch.save({"epoch": 9, "state_dict": weights()}, folder / "HPS_v2.1_compressed.pt")
    return folder


def opened(checkpoint: Path, **options: Any) -> HPSv2:
    return Small(str(checkpoint), None, "cpu", **options)


@pytest.fixture(scope="module")
def reward(checkpoint: Path) -> HPSv2:
    return opened(checkpoint)


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[Image.Image]]:
    images = [Image.open(FIXTURE / "images" / one["image"]) for one in ORACLE["scores"]]
    return [one["prompt"] for one in ORACLE["scores"]], [i.convert("RGB") for i in images]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return [one["score"] for one in ORACLE["scores"]]


Pairs = tuple[list[str], list[Image.Image]]


def test_is_what_upstream_says(reward: HPSv2, pairs: Pairs, expected: list[float]) -> None:
    assert reward.score(*pairs) == pytest.approx(expected, abs=1e-5)
    assert np.std(expected) > 0.1, "or little would be shown"


def test_what_shares_the_batch_changes_nothing(
    checkpoint: Path, pairs: Pairs, expected: list[float]
) -> None:
    prompts, images = pairs
    reward = opened(checkpoint)
    for size in (1, 5):
        for start in range(len(prompts) - size, -1, -size):
            some = slice(start, start + size)
            scores = reward.score(prompts[some], images[some])
            assert scores == pytest.approx(expected[some], abs=1e-5)
    assert reward.score([], []) == []


def test_what_is_longer_than_77_tokens_is_cut_off(reward: HPSv2) -> None:
    image = picture(0, 40, 40)
    words = "a crab, a cat and a circle " * 20
    whole, longer, other = reward.score(
        [words, words + "in red", words.removeprefix("a crab")], [image] * 3
    )
    assert whole == pytest.approx(longer, abs=1e-6)
    assert whole != pytest.approx(other, abs=1e-3)


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (SIZE, SIZE, (0, 0, SIZE, SIZE)),
        (7, 7, (0, 0, SIZE, SIZE)),
        (640, 320, (0, 8, 32, 24)),
        (320, 640, (8, 0, 24, 32)),
        (99, 41, (0, 9, 32, 22)),  # 32 × 13: the odd line of zeros is below
        (32, 10, (0, 11, 32, 21)),  # fits as it is, and is padded all the same
        (2000, 3, (0, 15, 32, 16)),  # no thinner than one line
    ],
)
def test_the_whole_image_lies_in_the_middle_of_a_square(
    reward: HPSv2, width: int, height: int, box: tuple[int, int, int, int]
) -> None:
    pixels = reward.pixels(Image.new("RGB", (width, height), "white"))
    assert (tuple(pixels.shape), pixels.dtype) == ((3, SIZE, SIZE), torch.float32)
    black = torch.isclose(pixels, torch.tensor(BLACK)[:, None, None], atol=1e-6).all(0)
    left, top, right, bottom = box
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    assert torch.equal(black, ~inside)


def test_antialias_is_what_torchvision_once_left_out(
    checkpoint: Path, reward: HPSv2, pairs: Pairs, expected: list[float]
) -> None:
    rough = opened(checkpoint, antialias=False)
    image = picture(3, 128, 128)
    shown = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
    for of, antialias in ((rough, False), (reward, True)):
        resized = torch.nn.functional.interpolate(
            shown, (SIZE, SIZE), mode="bicubic", antialias=antialias
        )[0]
        by_hand = (resized - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        assert torch.allclose(of.pixels(image), by_hand, atol=1e-5)
    assert rough.preprocessing != reward.preprocessing
    assert rough.score(*pairs) != pytest.approx(expected, abs=1e-3)
    with pytest.raises(RewardError, match="antialias is 'off', expected true or false"):
        opened(checkpoint, antialias="off")


def test_sizes_of_images_do_not_keep_them_from_one_batch(reward: HPSv2) -> None:
    sizes = [(32, 10), (10, 32), (1, 1), (2000, 3), (224, 224)]
    scores = reward.score(["a red circle"] * 5, [picture(9, *size) for size in sizes])
    assert len({round(score, 4) for score in scores}) == 5


def test_weights_that_are_missing_or_foreign_are_named(tmp_path: Path) -> None:
    tensors = weights()
    tensors["visual.prof"] = tensors.pop("visual.proj")
    torch.save({"state_dict": tensors}, tmp_path / "HPS_v2.1_compressed.pt")
    with pytest.raises(RewardError, match=r"lacks weights: visual\.proj"):
        opened(tmp_path)

    tensors["visual.proj"] = tensors["visual.prof"]
    torch.save({"state_dict": tensors}, tmp_path / "HPS_v2.1_compressed.pt")
    with pytest.raises(RewardError, match=r"foreign weights: visual\.prof"):
        opened(tmp_path)

    tensors["visual.proj"] = tensors.pop("visual.prof")[:-1]
    torch.save({"state_dict": tensors}, tmp_path / "HPS_v2.1_compressed.pt")
    with pytest.raises(RewardError, match=r"visual\.proj is \(47, 24\), \(48, 24\) expected"):
        opened(tmp_path)


def test_the_published_size_is_asked_for_unless_a_test_says_otherwise(checkpoint: Path) -> None:
    with pytest.raises(RewardError, match=r"lacks weights: transformer\.resblocks\.10\."):
        HPSv2(str(checkpoint), None, "cpu")


def test_each_version_has_weights_of_its_own(
    checkpoint: Path, tmp_path: Path, pairs: Pairs, expected: list[float]
) -> None:
    with pytest.raises(CheckpointError, match=r"holds no HPS_v2_compressed\.safetensors or"):
        opened(checkpoint, version="2.0")
    torch.save({"state_dict": weights()}, tmp_path / "HPS_v2_compressed.pt")
    scores = opened(tmp_path, version="2.0").score(*pairs)
    assert scores == pytest.approx(expected, abs=1e-5)
    with pytest.raises(CheckpointError, match=r"holds no HPS_v2\.1_compressed\.safetensors or"):
        opened(tmp_path)
    with pytest.raises(RewardError, match=r"no version '3'") as error:
        opened(checkpoint, version="3")
    assert error.value.hint == "one of: 2.1, 2.0"


def test_safetensors_are_read_where_they_are(
    tmp_path: Path, pairs: Pairs, expected: list[float]
) -> None:
    (tmp_path / "HPS_v2.1_compressed.pt").write_bytes(b"not to be looked at")
    save_file(weights(), tmp_path / "HPS_v2.1_compressed.safetensors")
    assert opened(tmp_path).score(*pairs) == pytest.approx(expected, abs=1e-5)


def test_in_bfloat16_it_is_near_and_makes_no_ties(
    checkpoint: Path, pairs: Pairs, expected: list[float]
) -> None:
    scores = opened(checkpoint, dtype="bfloat16").score(*pairs)
    assert scores == pytest.approx(expected, abs=0.03)
    assert scores != pytest.approx(expected, abs=1e-5)
    assert len(set(scores)) == len(set(expected))
    with pytest.raises(RewardError, match="'int8' is not one that rewards run in"):
        opened(checkpoint, dtype="int8")


def test_pixels_are_the_same_for_rewards_that_say_so(reward: HPSv2, checkpoint: Path) -> None:
    assert reward.preprocessing == opened(checkpoint, dtype="bfloat16").preprocessing
    assert SIZE in reward.preprocessing  # type: ignore[operator]
    hash(reward.preprocessing)
