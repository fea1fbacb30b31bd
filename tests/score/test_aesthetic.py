"""The aesthetic predictor against upstream's own code, on the fixture that it made."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from synpic.errors import RewardError
from synpic.score.aesthetic import Aesthetic

FIXTURE = Path(__file__).parents[1] / "parity" / "fixtures" / "aesthetic"
EXPECTED: dict[str, float] = json.loads((FIXTURE / "expected.json").read_text())["scores"]
HEAD, CLIP = FIXTURE / "head", FIXTURE / "clip"


@pytest.fixture(scope="module")
def reward() -> Aesthetic:
    return Aesthetic(str(HEAD), None, "cpu", str(CLIP))


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    return [Image.open(FIXTURE / "images" / name).convert("RGB") for name in EXPECTED]


def test_says_what_upstream_says(reward: Aesthetic, images: list[Image.Image]) -> None:
    scores = reward.score(["any"] * len(images), images)
    assert scores == pytest.approx(list(EXPECTED.values()), rel=1e-5)
    assert max(EXPECTED.values()) - min(EXPECTED.values()) > 0.5


def test_what_shares_the_batch_changes_nothing(
    reward: Aesthetic, images: list[Image.Image]
) -> None:
    alone = [reward.score([""], [image])[0] for image in images]
    assert reward.score([""] * 6, images[::-1]) == pytest.approx(alone[::-1], abs=1e-5)
    assert reward.score([""] * 3, images[:1] * 3) == pytest.approx(alone[:1] * 3, abs=1e-5)


def test_the_prompt_is_not_read(reward: Aesthetic, images: list[Image.Image]) -> None:
    assert not reward.info.reads_prompt
    one, other = reward.score(["a cat", "no cat " * 500], images[:1] * 2)
    assert one == other


def test_the_crop_is_torchvisions_and_not_transformers(
    reward: Aesthetic, images: list[Image.Image]
) -> None:
    from transformers import CLIPImageProcessorPil

    theirs = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    apart = {
        name: (reward.pixels(image) - theirs(image, return_tensors="pt").pixel_values[0])
        .abs()
        .max()
        .item()
        for name, image in zip(EXPECTED, images, strict=True)
    }
    assert apart["32x32.png"] < 1e-5
    assert apart["44x40.png"] > 0.1  # a margin of 3: one rounds 1.5 up, the other down


@pytest.mark.parametrize(
    "name",
    ["aesthetic-model.pth", "sac+logos+ava1-l14-linearMSE.pth", "model.safetensors"],
)
def test_the_head_is_found_under_the_names_it_is_published_by(
    name: str, tmp_path: Path, images: list[Image.Image], reward: Aesthetic
) -> None:
    tensors = load_file(HEAD / "aesthetic-model.safetensors")
    if name.endswith(".pth"):
        torch.save(tensors, tmp_path / name)
    else:
        save_file(tensors, tmp_path / name)
    other = Aesthetic(str(tmp_path), None, "cpu", str(CLIP))
    assert other.score([""] * 2, images[:2]) == reward.score([""] * 2, images[:2])


def test_heads_that_do_not_fit_are_refused_by_key(tmp_path: Path) -> None:
    tensors = load_file(HEAD / "aesthetic-model.safetensors")
    bias = tensors.pop("layers.7.bias")
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RewardError, match=r"lacks weights: layers\.7\.bias"):
        Aesthetic(str(tmp_path), None, "cpu", str(CLIP))

    save_file(
        {**tensors, "layers.7.bias": bias, "ema": bias.clone()}, tmp_path / "model.safetensors"
    )
    with pytest.raises(RewardError, match="foreign weights: ema"):
        Aesthetic(str(tmp_path), None, "cpu", str(CLIP))

    # A head that was fitted to another CLIP's features.
    tensors = {**tensors, "layers.7.bias": bias, "layers.0.weight": torch.zeros(1024, 7)}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RewardError, match=r"layers\.0\.weight is \(1024, 7\), \(1024, 12\)"):
        Aesthetic(str(tmp_path), None, "cpu", str(CLIP))


def test_a_whole_clip_does_as_tower_and_a_broken_one_does_not(
    tmp_path: Path, images: list[Image.Image], reward: Aesthetic
) -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPVisionModelWithProjection

    tower = CLIPVisionModelWithProjection.from_pretrained(CLIP, dtype=torch.float32)
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    text = {"vocab_size": 9, "num_attention_heads": 1, "max_position_embeddings": 4, **small}
    vision = tower.config.to_dict()
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    whole = CLIPModel(config)
    whole.load_state_dict(tower.state_dict(), strict=False)
    whole.save_pretrained(tmp_path)
    other = Aesthetic(str(HEAD), None, "cpu", str(tmp_path))
    assert other.score([""], images[:1]) == pytest.approx(reward.score([""], images[:1]))

    tensors = load_file(tmp_path / "model.safetensors")
    tensors["visual_projection.wait"] = tensors.pop("visual_projection.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RewardError, match=r"lacks weights: visual_projection\.weight"):
        Aesthetic(str(HEAD), None, "cpu", str(tmp_path))


def test_half_precision_is_near_and_still_tells_apart(
    images: list[Image.Image], reward: Aesthetic
) -> None:
    half = Aesthetic(str(HEAD), None, "cpu", str(CLIP), dtype="bfloat16")
    scores, exact = half.score([""] * 6, images), reward.score([""] * 6, images)
    assert scores == pytest.approx(exact, abs=0.05)
    assert scores != exact
    assert len(set(scores)) == 6
    assert half.preprocessing == reward.preprocessing
    with pytest.raises(RewardError, match="dtype 'int8'"):
        Aesthetic(str(HEAD), None, "cpu", str(CLIP), dtype="int8")


def test_it_declares_what_it_reads() -> None:
    info = Aesthetic.info
    parameters = inspect.signature(Aesthetic).parameters
    for name, companion in info.companions.items():
        assert {name, f"{name}_revision"} <= parameters.keys()
        assert companion.files
    assert info.checkpoint == "trl-lib/ddpo-aesthetic-predictor"
    assert "aesthetic-model.pth" in info.files[0].split("|")
    assert info.licence
    assert info.verified
    assert info.text_limit
