"""An image is made ready once for all questions about it, where an architecture allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from synpic.score.judges.judge import Requirement
from synpic.score.judges.vlm_questions import VlmQuestions
from synpic.score.vlm.shared_images import SharedImages
from tests.parity.inputs import picture
from tests.score.tiny_vlms import ARCHITECTURES, save_vlm

PICTURES = [picture(0, 64, 48), picture(1, 32, 32), picture(2, 100, 20), picture(3, 64, 48)]
TEXTS = ["Is there a cat?", "Is there a star?", "Is it a café by night?", "Is it blue?"]


class Counted:
    """A processor, and how many images it was asked to make ready."""

    def __init__(self, processor: Any) -> None:
        self._processor, self.images = processor, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, images: Any, **options: Any) -> Any:
        self.images += len(images)
        return self._processor(images, **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_answers_are_those_of_images_made_ready_each_time(
    architecture: str, tmp_path: Path
) -> None:
    judge = VlmQuestions(str(save_vlm(architecture, tmp_path / "vlm")), None, "cpu")
    vlm = judge._vlm
    spec = {"questions": [{"id": text, "text": text} for text in TEXTS]}
    asked = [Requirement("a cat", spec=spec)] * len(PICTURES)

    def chances() -> list[float]:
        verdicts = judge.judge(asked, [judge.pixels(image) for image in PICTURES])
        return [part.probability or 0.0 for verdict in verdicts for part in verdict.parts]

    shared, counted = chances(), Counted(vlm._processor.image_processor)
    vlm._sharing.image_processor = SharedImages(counted)
    assert chances() == shared
    vlm._sharing.image_processor = vlm._processor.image_processor
    assert chances() == shared
    assert max(shared) - min(shared) > 0.001
    if architecture == "idefics3":  # it pads tiles to those of the image that has the most
        assert counted.images >= len(PICTURES) * len(TEXTS)
    else:
        # Each one alone, and the first ones together as well, to see that it is the same.
        assert counted.images == len(PICTURES) + len(TEXTS)


class Padding:
    """Makes images ready that differ with what else is there."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, images: Any, **options: Any) -> Any:
        self.calls.append(len(images))
        return {"pixel_values": torch.full((len(images), 3), float(len(images)))}


def test_where_the_two_differ_the_processor_is_asked_as_ever() -> None:
    processor = Padding()
    shared = SharedImages(processor)
    for _ in range(2):
        found = shared([[one] for one in PICTURES[:2]])
        assert found["pixel_values"].tolist() == [[2.0] * 3] * 2
    assert processor.calls == [1, 1, 2, 2]
    assert shared.calls is processor.calls
