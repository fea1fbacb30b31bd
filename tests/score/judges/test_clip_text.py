"""Cosines of a small CLIP as verdicts, against transformers' own pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from synpic.errors import EvaluationError
from synpic.score.judges.clip_text import ClipText
from synpic.score.judges.judge import Requirement
from synpic.shapes.meaning import Asked, Meaning, illustrate, write
from synpic.shapes.scene import to_image

TEXTS = ["a red circle", "three green stars on a black background", "a blue cross"]


@pytest.fixture(scope="module")
def clip() -> Path:
    """The small CLIP that the embedded world brings."""
    return Path(__file__).parents[3] / "synpic" / "shapes" / "weights" / "clip"


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(32, 32), (48, 40), (31, 90)]
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes]


def cosines(folder: Path, texts: list[str], images: list[Image.Image]) -> list[float]:
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)(
        texts, padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    )
    seen = AutoImageProcessor.from_pretrained(folder, backend="pil")(
        images=images, return_tensors="pt"
    )
    with torch.inference_mode():
        found = model(input_ids=words.input_ids, pixel_values=seen.pixel_values)
    return (found.image_embeds * found.text_embeds).sum(-1).tolist()


def test_is_the_cosine_and_no_less_than_0(clip: Path, images: list[Image.Image]) -> None:
    judge = ClipText(str(clip), None, "cpu")
    pixels = [judge.pixels(image) for image in images]
    found = []
    for text in TEXTS:
        asked = [Requirement("something else", "", {"text": text})] * 3
        verdicts = judge.judge(asked, pixels)
        expected = cosines(clip, [text] * 3, images)
        found += expected
        assert [one.score for one in verdicts] == pytest.approx(
            [max(0, one) for one in expected], abs=1e-6
        )
        assert {(one.correct, one.parts, one.reason) for one in verdicts} == {(None, (), "")}
    assert min(found) < -0.01, "or nothing would be cut off"
    assert max(found) > 0.01
    assert judge.judge([], []) == []


def test_the_prompt_is_the_text_unless_there_is_one(clip: Path, images: list[Image.Image]) -> None:
    judge = ClipText(str(clip), None, "cpu")
    pixels = [judge.pixels(images[0])]
    for spec in ({}, {"text": ""}, {"text": TEXTS[0]}):
        prompt = "a yellow star" if spec.get("text") else TEXTS[0]
        assert judge.judge([Requirement(prompt, "", spec)], pixels)[0].score == pytest.approx(
            max(0, cosines(clip, TEXTS[:1], images[:1])[0]), abs=1e-6
        )
    with pytest.raises(EvaluationError, match="text is 3, a text expected"):
        ClipText.check(Requirement("a", "", {"text": 3}))


def test_own_images_are_nearer_than_those_of_other_prompts(clip: Path) -> None:
    judge = ClipText(str(clip), None, "cpu")
    rng = np.random.default_rng(0)
    colours, shapes = ("red", "green", "blue", "orange"), ("circle", "star", "cross", "square")
    meanings = [Meaning((Asked(shape, colour),)) for shape in shapes for colour in colours]
    asked = [Requirement(write(meaning, rng)) for meaning in meanings]
    pixels = [judge.pixels(to_image(illustrate(meaning, rng))) for meaning in meanings]
    own = np.array([one.score for one in judge.judge(asked, pixels)])
    swapped = np.array([one.score for one in judge.judge(asked, pixels[5:] + pixels[:5])])
    assert (own > swapped).all()
    assert own.mean() > swapped.mean() + 0.2
