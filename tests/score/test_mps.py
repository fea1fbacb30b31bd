"""MPS on a small random model, against what upstream's modules and scripts said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from synpic.errors import RewardError
from synpic.score.mps import MPS
from synpic.score.pickscore import PickScore
from synpic.score.towers.mps_head import MPSHead, Places

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "mps"
PROCESSOR = FIXTURE / "processor"
ORACLE = json.loads((FIXTURE / "expected.json").read_text())
NEAR = 1e-5 * 100
"""1e-5 on the cosine, which is scaled by 100."""


def opened(checkpoint: Path = FIXTURE, **options: Any) -> MPS:
    return MPS(str(checkpoint), None, "cpu", str(PROCESSOR), **options)


def said(oracle: str) -> list[float]:
    return [score for scores in ORACLE["scores"][oracle] for score in scores]


@pytest.fixture(scope="module")
def reward() -> MPS:
    return opened()


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[Image.Image]]:
    """Every prompt with every picture."""
    images = [Image.open(FIXTURE / "images" / name).convert("RGB") for name in ORACLE["images"]]
    prompts = [prompt for prompt in ORACLE["prompts"] for _ in images]
    return prompts, images * len(ORACLE["prompts"])


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return load_file(FIXTURE / "model.safetensors")


@pytest.mark.parametrize(
    ("options", "oracle"),
    [
        ({}, "evaluation"),
        ({"condition": ORACLE["condition"]}, "evaluation, other condition"),
        ({"threshold": 0.01}, "readme"),
    ],
)
def test_is_what_upstream_says_of_single_images(
    options: dict[str, Any], oracle: str, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    reward = opened(**options)
    prompts, images = pairs
    alone = [reward.score([p], [i])[0] for p, i in zip(prompts, images, strict=True)]
    assert alone == pytest.approx(said(oracle), abs=NEAR)


@pytest.mark.parametrize("oracle", ["evaluation, other condition", "readme"])
def test_the_oracle_tells_options_apart(oracle: str) -> None:
    pairs = zip(said("evaluation"), said(oracle), strict=True)
    assert max(abs(a - b) for a, b in pairs) > 50 * NEAR


def test_what_shares_the_batch_changes_nothing(pairs: tuple[list[str], list[Image.Image]]) -> None:
    # Upstream's division by the greatest similarity of the batch would show here.
    prompts, images = pairs
    expected = said("evaluation")
    reward = opened()
    assert reward.score(prompts, images) == pytest.approx(expected, abs=NEAR)
    order = sorted(range(len(prompts)), key=lambda i: (i * 7) % 36)
    for start in range(0, len(order), 5):
        some = order[start : start + 5]
        scores = reward.score([prompts[i] for i in some], [images[i] for i in some])
        assert scores == pytest.approx([expected[i] for i in some], abs=NEAR)
    assert reward.score([], []) == []


def test_more_prompts_than_are_remembered(
    monkeypatch: pytest.MonkeyPatch, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    monkeypatch.setattr("synpic.score.mps.KEPT", 2)
    reward = opened()
    for _ in range(2):
        assert reward.score(*pairs) == pytest.approx(said("evaluation"), abs=NEAR)
    assert len(reward._texts._known) == 2


def test_of_the_last_layer_only_what_is_read_is_computed(reward: MPS) -> None:
    torch.manual_seed(0)
    block = reward._head.places[-1]
    assert isinstance(block, Places)
    tokens = torch.randn(2, 9, 24)
    with torch.no_grad():
        whole, first = block(tokens, 9), block(tokens, 1)
    assert first.shape == (2, 1, 24)
    torch.testing.assert_close(first, whole[:, :1])


def test_words_that_are_not_seen_do_not_matter() -> None:
    torch.manual_seed(0)
    head = MPSHead(layers=2, width=16, heads=2, head=4, inner=8)
    for block in head.places:
        torch.nn.init.normal_(block.frequencies)  # type: ignore[arg-type]
    tokens, words = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    seen = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    with torch.no_grad():
        one = head(tokens, words, seen)
        words[1, 3:] = 1e3
        other = head(tokens, words, seen)
        few = head(tokens[1:], words[1:, :3], seen[1:, :3])
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one[1:], few)


def test_what_is_longer_than_77_tokens_is_cut_off(
    reward: MPS, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    image = pairs[1][0]
    words = "red " * 75
    whole, longer, other = reward.score([words, words + "star", words[4:] + "star"], [image] * 3)
    assert whole == pytest.approx(longer, abs=NEAR)
    assert whole != pytest.approx(other, abs=NEAR)


def test_bfloat16_is_near_and_makes_no_ties(pairs: tuple[list[str], list[Image.Image]]) -> None:
    reward = opened(dtype="bfloat16")
    scores = reward.score(*pairs)
    assert scores == pytest.approx(said("evaluation"), abs=5)
    assert len(set(scores)) == len(set(said("evaluation")))
    assert {tensor.dtype for tensor in reward._head.state_dict().values()} == {torch.float32}
    scale = load_file(FIXTURE / "model.safetensors")["mps.model.logit_scale"].float().exp()
    assert reward._scale == pytest.approx(scale.item(), rel=1e-6)


@pytest.mark.parametrize("file", ["model.safetensors", "model.pt", "MPS_overall_state_dict.pt"])
def test_reads_the_names_of_upstreams_own_module(
    file: str,
    tmp_path: Path,
    tensors: dict[str, Tensor],
    pairs: tuple[list[str], list[Image.Image]],
) -> None:
    theirs = {key.removeprefix("mps."): tensor for key, tensor in tensors.items()}
    assert {key.split(".")[0] for key in theirs} == {"model", "cross_model"}
    if file.endswith(".pt"):
        torch.save(theirs, tmp_path / file)
    else:
        # transformers has kept no numbers of positions since 4.31.
        theirs = {key: tensor for key, tensor in theirs.items() if "position_ids" not in key}
        save_file(theirs, tmp_path / file)
    assert opened(tmp_path).score(*pairs) == pytest.approx(said("evaluation"), abs=NEAR)


def test_upstreams_pickle_of_code_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "MPS_overall_checkpoint.pth")
    with pytest.raises(RewardError, match="more than tensors") as caught:
        opened(tmp_path)
    assert "safetensors" in str(caught.value.hint)


LAYER = "mps.cross_model.layers."


@pytest.mark.parametrize(
    ("key", "fault", "named"),
    [
        ("mps.model.logit_scale", "lacks", "logit_scale"),
        ("mps.model.text_projection.weight", "lacks", "text_projection.weight"),
        (f"{LAYER}0.0.fn.to_kv.weight", "lacks", "cross_model.layers.0.0.fn.to_kv.weight"),
        (f"{LAYER}1.1.fn.norm.bias", "lacks", "cross_model.layers.1.1.fn.norm.bias"),
        ("mps.model.more", "has foreign", "more"),
        (f"{LAYER}1.1.fn.more", "has foreign", "cross_model.layers.1.1.fn.more"),
        (f"{LAYER}2.0.fn.to_q.weight", "lacks", "cross_model.layers.2.0.fn.ff.0.weight"),
        ("more", "has foreign", "more"),
    ],
)
def test_weights_that_are_missing_or_foreign_are_named(
    key: str, fault: str, named: str, tmp_path: Path, tensors: dict[str, Tensor]
) -> None:
    if tensors.pop(key, None) is None:
        tensors[key] = torch.zeros(2)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RewardError, match=rf"model\.safetensors {fault} weights: {named}"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "key", [f"{LAYER}1.1.fn.fused_attn_ff_proj.weight", f"{LAYER}1.0.fn.to_q.weight"]
)
def test_weights_of_another_size_are_refused(
    key: str, tmp_path: Path, tensors: dict[str, Tensor]
) -> None:
    tensors[key] = tensors[key][:-1].clone()
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RewardError, match=r"is \(\d+, 24\), \(\d+, 24\) expected"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"threshold": 1.0}, "threshold 1.0"),
        ({"threshold": -0.1}, "threshold -0.1"),
        ({"dtype": "int8"}, "'int8'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(RewardError, match=word):
        opened(**options)


def test_takes_the_pixels_of_pickscore(
    reward: MPS, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    folder = FIXTURE.parent / "pickscore"
    other = PickScore(str(folder / "clip"), None, "cpu", str(folder / "processor"))
    assert reward.preprocessing == other.preprocessing
    for image in pairs[1][:6]:
        assert reward.pixels(image).equal(other.pixels(image))


def test_declares_what_it_is() -> None:
    info = MPS.info
    assert info.checkpoint == "RE-N-Y/mpsv1"
    assert info.companions["processor"].repository == "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    assert info.reads_prompt
    assert all([info.files, info.licence, info.paper, info.score_range, info.text_limit])
    assert all([info.verified, "config.json" in info.companions["processor"].files])
