"""A judge as a reward, over HTTP: what a prompt asks for comes with each image."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest
from PIL import Image

from synpic.score.judged import FormScore, JudgedReward
from synpic.score.judges.detection.specifications import specification
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from tests.serve.loopback import Loopback, loopback, text


class Colours(Judge):
    """Whether an image is of the colour of what ``include`` names first."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="a colour", score_range="0 … 1")
    forms_given: ClassVar[tuple[str, ...]] = ("graded", "strict", "correct")
    preprocessing = "whole"

    @staticmethod
    def check(requirement: Requirement) -> None:
        specification(requirement)

    def pixels(self, image: Image.Image) -> Image.Image:
        return image

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        raise AssertionError("a reward is asked for its forms")

    def forms(
        self, requirements: Sequence[Requirement], pixels: Sequence[Any]
    ) -> list[dict[str, float]]:
        found = []
        for asked, image in zip(requirements, pixels, strict=True):
            colour = THINGS[asked.spec["objects"]["include"][0]["class"]]
            right = float(
                image.getpixel((0, 0)) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
            )
            found.append({"graded": (1 + right) / 2, "strict": right, "correct": right})
        return found

    def canary(self) -> None:
        return None


@pytest.fixture
def server() -> Iterator[Loopback]:
    rewards = {"geneval": JudgedReward(Colours(), "graded")}
    with loopback(rewards, wires=("synpic", "flow-factory", "unirl", "pickles")) as running:
        yield running


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


THINGS = {"apple": "red", "sink": "blue"}


def row(colour: str, tag: str = "colors") -> dict[str, Any]:
    thing = next(name for name, its in THINGS.items() if its == colour)
    return {"tag": tag, "include": [{"class": thing, "count": 1}], "prompt": f"all {colour}"}


def test_metadata_reaches_the_judge_and_its_lack_is_an_error(server: Loopback) -> None:
    images = [png("red"), png("blue"), png("red")]
    metadata = [row("red"), row("red"), None]
    answer = server.score(["a", "b", "c"], images, metadata=metadata).json()
    assert answer["scores"] == {"geneval": [1.0, 0.5, None]}
    (error,) = answer["errors"]
    assert error["item"] == 2
    assert "what the prompt asks for is not known" in error["message"]


class Forms:
    """A score with other forms, one of which has the name of the score on UniRL's wire."""

    strict = 1.0

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        return [FormScore(0.5, {"score": 3.0, "strict": self.strict}) for _ in images]


def test_no_other_form_takes_the_place_of_the_score_and_all_are_numbers() -> None:
    forms = Forms()
    item = {"history": [{"text": "a", "image_b64": text(png("red"))}], "required_rewards": ["f"]}
    with loopback({"f": forms}) as server:
        answer = server.client.post("/score", json={"requests": [item]}).json()
        assert answer["results"] == [{"f": {"score": 0.5, "strict": 1.0}}]
        forms.strict = float("nan")
        answer = server.client.post("/score", json={"requests": [item]}).json()
        assert answer["errors"] == [{"f": "f gave nan as strict, which is no finite number"}]


def test_flow_grpo_s_pickle_gets_every_form_by_tag(server: Loopback) -> None:
    body = pickle.dumps(
        {
            "images": [png("red"), png("blue")],
            "meta_datas": [row("red"), row("red", "counting")],
            "only_strict": False,
        }
    )
    answer = server.client.post("/", content=body)
    assert answer.status_code == 200
    found = pickle.loads(answer.content)
    assert found["scores"] == [1.0, 0.5]
    assert found["rewards"] == found["strict_rewards"] == [1.0, 0.0]
    assert found["group_rewards"]["colors"][0] == 1.0
    assert found["group_strict_rewards"]["counting"][1] == 0.0
