"""Mechanisms change what they name, and nothing else; JPEG on the wire by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as F  # noqa: N812

from research.ports import mechanisms, wire
from research.ports.comparison import compare
from research.ports.pictures import KINDS, picture
from synpic.score.two_stage import TwoStageReward


class Corner(TwoStageReward):
    """How bright the left edge of the pixels is, and how long the prompt."""

    preprocessing = "corner"

    def pixels(self, image: Image.Image) -> torch.Tensor:
        return F.to_tensor(image)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        edges = pixels[..., :2].mean(dim=(1, 2, 3)).tolist()
        return [edge + len(one) for one, edge in zip(prompts, edges, strict=True)]


def test_a_crop_leaves_out_what_a_pad_shows() -> None:
    wide = Image.new("RGB", (60, 20), "white")
    wide.paste("red", (0, 0, 10, 20))  # beside the square in the middle
    plain = Image.new("RGB", (60, 20), "white")
    crop = mechanisms.cropped(size=20)
    assert torch.equal(crop(wide), crop(plain))
    assert not torch.equal(mechanisms.padded(wide, 60), mechanisms.padded(plain, 60))
    assert mechanisms.padded(wide, 60).shape == (3, 60, 60)


def test_floats_overshoot_where_pillow_cuts_off() -> None:
    edge = Image.new("RGB", (64, 64), "white")
    edge.paste("black", (0, 0, 32, 64))
    white = mechanisms.cropped(size=40)(Image.new("RGB", (64, 64), "white")).max()
    assert mechanisms.cropped(size=40)(edge).max() <= white + 1e-6
    assert mechanisms.in_tensors(size=40)(edge).max() > white + 0.01
    bilinear = mechanisms.in_tensors(mechanisms.BILINEAR, 40)(edge)
    assert bilinear.max() <= white + 1e-6


def test_prompts_pixels_and_scores_are_changed_alone() -> None:
    image = picture("smooth", 1, 16, 16)
    plain = Corner().score(["cat"], [image])[0]
    assert mechanisms.prefixed(Corner(), "a ").score(["cat"], [image])[0] == plain + 2
    halved = mechanisms.changed_scores(Corner(), lambda score: score / 2)
    assert halved.score(["cat"], [image]) == [plain / 2]
    rounded = mechanisms.in_halves(Corner()).pixels(image)
    assert torch.equal(rounded, Corner().pixels(image).half().float())
    assert not torch.equal(rounded, Corner().pixels(image))


def test_gelu_takes_the_place_of_every_activation() -> None:
    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = torch.nn.Module()
            self.mlp.activation_fn = torch.nn.Sigmoid()

    class Clip:
        def __init__(self) -> None:
            self._model = Tower()

    class Reward:
        def __init__(self) -> None:
            self._towers = Clip()

    changed = mechanisms.with_gelu(Reward())
    assert isinstance(changed._towers._model.mlp.activation_fn, torch.nn.GELU)


def test_the_batch_decides_which_words_are_seen() -> None:
    class Words:
        _condition = torch.tensor([[1.0, 0.0]])
        _threshold = 0.3

    words = torch.tensor([[[1.0, 0.0], [0.2, 0.0]], [[10.0, 0.0], [2.0, 0.0]]])
    seen = mechanisms.batch_maximum(Words())._matter(words)
    assert seen.tolist() == [[False, False], [True, False]]
    alone = mechanisms.batch_maximum(Words())._matter(words[:1])
    assert alone.tolist() == [[True, False]]


@pytest.mark.parametrize("kind", list(KINDS))
def test_jpeg_as_by_hand(kind: str) -> None:
    images = [picture(kind, seed, 32, 32) for seed in range(4)]
    found = wire.through_jpeg(Corner(), ["a"], images)
    assert list(found) == ["75", "85", "95"]
    sent = []
    for image in images:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=75)
        sent.append(Image.open(file).convert("RGB"))
    plain, after = (Corner().score(["a"] * 4, some) for some in (images, sent))
    assert found["75"] == compare([plain], [after]).to_dict()
    assert found["75"]["largest"] > 0
