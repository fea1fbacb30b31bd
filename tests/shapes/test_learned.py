from __future__ import annotations

import pytest

from research.shapes.trial import cases, try_reward
from synpic.score.clip_score import ClipScore
from synpic.shapes.learned import ShapesClip
from synpic.shapes.measure import weights


def test_prefers_a_pictures_caption_to_a_near_miss() -> None:
    reward = ShapesClip(str(weights("clip")), None, "cpu")
    figures = try_reward(reward, cases(120, seed=2), seed=2)
    assert figures["prefers"] > 0.8
    assert figures["prefers_by"]["colour"] > 0.9
    assert figures["prefers_by"]["background"] > 0.9


def test_it_is_scored_by_the_code_of_clip_score() -> None:
    assert ShapesClip.score is ClipScore.score
    assert ShapesClip.info.checkpoint == "package:synpic.shapes/weights/clip"


def test_opens_as_any_clip_of_transformers() -> None:
    from transformers import CLIPModel, CLIPProcessor

    model = CLIPModel.from_pretrained(weights("clip"))
    assert sum(parameter.numel() for parameter in model.parameters()) < 1e6
    assert CLIPProcessor.from_pretrained(weights("clip")) is not None


@pytest.mark.parametrize("prompt", ["", "a plaid dodecahedron in the manner of nobody " * 9])
def test_prompts_of_no_world_get_a_number(prompt: str) -> None:
    from PIL import Image

    reward = ShapesClip(str(weights("clip")), None, "cpu")
    (score,) = reward.score([prompt], [Image.new("L", (50, 70))])
    assert -1 <= score <= 1
