"""PickScore on a small random CLIP, against what the README's own code said of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from synpic.errors import RewardError
from synpic.score.pickscore import PickScore

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "pickscore"
CLIP, PROCESSOR = FIXTURE / "clip", FIXTURE / "processor"
ORACLE = json.loads((FIXTURE / "expected.json").read_text())
SCALE = 100.0


def opened(clip: Path = CLIP, **options: Any) -> PickScore:
    return PickScore(str(clip), None, "cpu", str(PROCESSOR), **options)


@pytest.fixture(scope="module")
def reward() -> PickScore:
    return opened()


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[Image.Image]]:
    """Every prompt with every picture."""
    images = [Image.open(FIXTURE / "images" / name).convert("RGB") for name in ORACLE["images"]]
    prompts = [prompt for prompt in ORACLE["prompts"] for _ in images]
    return prompts, images * len(ORACLE["prompts"])


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return [score for scores in ORACLE["scores"] for score in scores]


def test_is_what_upstream_says(
    reward: PickScore, pairs: tuple[list[str], list[Image.Image]], expected: list[float]
) -> None:
    assert reward.score(*pairs) == pytest.approx(expected, abs=1e-5 * SCALE)


def test_what_shares_the_batch_changes_nothing(
    pairs: tuple[list[str], list[Image.Image]], expected: list[float]
) -> None:
    prompts, images = pairs
    reward = opened()
    for size in (1, 5):
        for start in range(len(prompts) - size, -1, -size):
            some = slice(start, start + size)
            scores = reward.score(prompts[some], images[some])
            assert scores == pytest.approx(expected[some], abs=1e-5 * SCALE)
    assert reward.score([], []) == []


def test_configurations_old_and_new_mean_one_end_of_text(
    tmp_path: Path, pairs: tuple[list[str], list[Image.Image]], expected: list[float]
) -> None:
    # Until 2023 every CLIP's configuration said that its end of text was token 2, which it is not.
    config = json.loads((CLIP / "config.json").read_text())
    assert config["text_config"]["eos_token_id"] == 2
    config["text_config"]["eos_token_id"] = config["text_config"]["vocab_size"] - 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    shutil.copy(CLIP / "model.safetensors", tmp_path)
    assert opened(tmp_path).score(*pairs) == pytest.approx(expected, abs=1e-5 * SCALE)


def test_what_is_longer_than_77_tokens_is_cut_off(
    reward: PickScore, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    image = pairs[1][0]
    words = "red " * 75
    whole, longer, other = reward.score([words, words + "star", words[4:] + "star"], [image] * 3)
    assert whole == pytest.approx(longer, abs=1e-5 * SCALE)
    assert whole != pytest.approx(other, abs=1e-3)


def test_in_bfloat16_the_towers_are_and_nothing_else(
    pairs: tuple[list[str], list[Image.Image]], expected: list[float]
) -> None:
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    prompts, images = pairs
    scores = opened(dtype="bfloat16").score(prompts, images)
    assert scores == pytest.approx(expected, abs=0.03 * SCALE)
    assert len(set(scores)) == len(set(expected)), "no ties"

    clip = CLIPModel.from_pretrained(CLIP, dtype=torch.bfloat16).eval()
    tokens = AutoTokenizer.from_pretrained(PROCESSOR)(
        prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    processor = AutoImageProcessor.from_pretrained(PROCESSOR, backend="pil")
    pixels = processor(images=images, return_tensors="pt").pixel_values.bfloat16()
    with torch.no_grad():
        texts = clip.get_text_features(tokens.input_ids).pooler_output
        pictures = clip.get_image_features(pixels).pooler_output
    cosines = torch.cosine_similarity(texts.float(), pictures.float())
    scale = load_file(CLIP / "model.safetensors")["logit_scale"].double().exp()
    assert scores == pytest.approx((scale * cosines).tolist(), abs=0.002 * SCALE)


def test_a_dtype_that_is_none_is_refused() -> None:
    with pytest.raises(RewardError, match="'int8' is not one that rewards run in"):
        opened(dtype="int8")


def test_pixels_are_those_of_the_processor_alone(
    reward: PickScore, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    pixels = [reward.pixels(image) for image in pairs[1][:6]]
    assert {(tuple(one.shape), one.dtype) for one in pixels} == {((3, 40, 40), torch.float32)}
    assert reward.preprocessing == opened(dtype="bfloat16").preprocessing
    hash(reward.preprocessing)


@pytest.mark.parametrize("fault", ["lacks", "has foreign"])
def test_weights_that_are_missing_or_foreign_are_named(fault: str, tmp_path: Path) -> None:
    shutil.copy(CLIP / "config.json", tmp_path)
    tensors = load_file(CLIP / "model.safetensors")
    if fault == "lacks":
        del tensors["logit_scale"]
    else:
        tensors["logit_scales"] = tensors["logit_scale"].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RewardError, match=rf"{fault} weights: logit_scales?$"):
        opened(tmp_path)


def test_declares_what_it_is() -> None:
    info = PickScore.info
    assert info.checkpoint == "yuvalkirstain/PickScore_v1"
    assert info.companions["processor"].repository == "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    assert info.reads_prompt
    assert all([info.files, info.licence, info.paper, info.score_range, info.text_limit])
    assert all([info.verified, info.companions["processor"].files])
