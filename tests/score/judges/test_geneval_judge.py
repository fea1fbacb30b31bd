"""The judge as a whole, in small: random networks, and what the rule does with what is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import synpic
from research.suites.asked import wanted_objects
from research.suites.judges import detections
from synpic import Workspace, score_candidates
from synpic.errors import EvaluationError, RewardError
from synpic.pipeline.inventory import take_inventory
from synpic.prompts.suites.objects import CLASSES
from synpic.registry import JUDGES
from synpic.score.judged import AskedPrompt, asked_of
from synpic.score.judges.detection.instances import SeenObject
from synpic.score.judges.detection.shown import ReadyImage
from synpic.score.judges.geneval import Detection, judge_objects
from synpic.score.judges.geneval_judge import GenEvalJudge
from synpic.score.judges.judge import Requirement
from synpic.shapes.judge import read
from synpic.shapes.meaning import Meaning, illustrate
from synpic.shapes.prompts import draw
from synpic.shapes.scene import CANVAS, to_image
from synpic.workspace import tables
from synpic.workspace.suite import write_suite
from tests.publish.fixtures import build
from tests.score.judges.detection.mmdet import TINY
from tests.score.judges.detection.test_colours import save_clip
from tests.score.judges.detection.test_detector import pictures, published


def asked(tag: str, *include: dict[str, Any]) -> Requirement:
    return Requirement("…", tag, {"objects": {"include": list(include)}})


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path]:
    detector, clip = tmp_path_factory.mktemp("mmdet"), tmp_path_factory.mktemp("clip")
    save_clip(clip)
    return detector, published(detector), clip


@pytest.fixture(scope="module")
def judge(
    places: tuple[Path, str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GenEvalJudge]:
    detector, name, clip = places
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patched.setattr(GenEvalJudge, "_published", name)
        patched.setattr(GenEvalJudge, "_architecture", TINY.architecture())
        # A CPU is soon done with small images.
        patched.setattr("synpic.score.judges.detection.shown.SHORT", 64)
        patched.setattr("synpic.score.judges.detection.shown.LONG", 128)
        yield GenEvalJudge(str(detector), None, "cpu", str(clip))


def test_a_verdict_does_not_depend_on_the_batch(judge: GenEvalJudge) -> None:
    ready = [judge.pixels(one) for one in pictures((90, 90), (90, 60), (61, 61), (90, 90))]
    seen = [objects[0].name for objects in judge._detector.find(ready)]
    requirements = [
        asked("single_object", {"class": name, "count": 1})
        if number % 2
        else asked("colors", {"class": name, "count": 1, "color": "red"})
        for number, name in enumerate(seen)
    ]
    together = judge.judge(requirements, ready)
    assert [verdict.correct for verdict in together][1::2] == [True, True]
    assert all(len(verdict.parts) == 1 for verdict in together)
    for number, verdict in enumerate(together):
        assert judge.judge(requirements[number:][:1], ready[number:][:1]) == [verdict]
        twice = judge.judge([requirements[number]] * 2, [ready[number], ready[0]])
        assert twice[0] == verdict


def test_colours_are_read_of_those_that_the_rule_looks_at(
    judge: GenEvalJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of dogs the two most confident; of cats, which are too few, and of birds none."""
    image = Image.new("RGB", (8, 8))
    image.putpixel((2, 2), (255, 0, 0))
    ready = ReadyImage(image, np.zeros((8, 8, 3), np.uint8))
    shapes = [np.zeros((8, 8), bool) for _ in range(5)]
    for number, mask in enumerate(shapes):
        mask[2:4, 2 : 4 + number] = True
    names = [("dog", 0.95), ("dog", 0.9), ("dog", 0.5), ("cat", 0.9), ("bird", 0.9)]
    objects = [
        SeenObject(name, (2.0, 2.0, 4.0 + number, 4.0), score, mask)
        for number, ((name, score), mask) in enumerate(zip(names, shapes, strict=True))
    ]
    shown: list[tuple[str, tuple[int, int]]] = []

    def colours(crops: Sequence[Image.Image], names: Sequence[str]) -> list[str]:
        shown.extend((name, crop.size) for crop, name in zip(crops, names, strict=True))
        return ["red", "blue"][: len(crops)]

    monkeypatch.setattr(judge._detector, "find", lambda images: [objects for _ in images])
    monkeypatch.setattr(judge._colours, "read", colours)
    (verdict,) = judge.judge(
        [
            asked(
                "color_attr",
                {"class": "dog", "count": 2, "color": "red"},
                {"class": "cat", "count": 2, "color": "red"},
                {"class": "bird", "count": 1},
            )
        ],
        [ready],
    )
    assert shown == [("dog", (2, 2)), ("dog", (3, 2))]
    assert [part.correct for part in verdict.parts] == [False, False, True]
    assert verdict.reason == "2 red dog: red, blue; 2 red cat: 1 found"


def test_a_grey_image_shows_no_dog(judge: GenEvalJudge) -> None:
    canary = judge.canary()
    judge.check(canary)
    assert canary.spec["objects"]["include"][0]["class"] in CLASSES
    (verdict,) = judge.judge([canary], [judge.pixels(Image.new("RGB", (64, 64), "grey"))])
    assert (verdict.correct, verdict.reason) == (False, "1 dog: 0 found")


def test_a_requirement_without_objects_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(EvaluationError, match="objects: there is none"):
        GenEvalJudge.check(Requirement("a dog"))


def test_other_weights_are_another_metric(
    places: tuple[Path, str, Path], tmp_path: Path, judge: GenEvalJudge, caplog: Any
) -> None:
    assert not caplog.records
    judge._detector._network.save_pretrained(tmp_path / "other")
    GenEvalJudge(str(tmp_path / "other"), None, "cpu", str(places[2]))
    (record,) = caplog.records
    assert "not the published ones" in record.getMessage()


RECIPE = """
[prompts]
file = "prompts.txt"

[models.alpha]
checkpoint = "./weights/alpha"
samples = 2

[judges.geneval]
checkpoint = "{}"
options = {{ clip = "{}" }}
batch_size = 3
"""


def test_synpic_score_judges_what_a_suite_asks(
    places: tuple[Path, str, Path], tmp_path: Path, judge: GenEvalJudge
) -> None:
    """With parts and reasons; and an item that cannot be judged ends it before anything opens."""
    prompts = [("a photo of a dog", "train"), ("a photo of a red chair", "train")]
    text = RECIPE.format(places[0], places[2])
    workspace = build(tmp_path / "set", prompts, text=text, score=lambda *_: None)
    rows = {
        "a photo of a dog": {"include": [{"class": "dog", "count": 1}]},
        "a photo of a red chair": {"include": [{"class": "chair", "count": 1, "color": "red"}]},
    }

    def ask(of: dict[str, Any], version: str) -> None:
        known = take_inventory(workspace).prompts.select("prompt_id", "prompt").iter_rows()
        table = [
            {
                "prompt_id": prompt_id,
                "suite": "mine",
                "version": version,
                "item": prompt,
                "tag": "colors",
                "spec": json.dumps({"objects": of[prompt]}),
            }
            for prompt_id, prompt in known
        ]
        write_suite(workspace, pa.Table.from_pylist(table, tables.SUITE))

    ask(rows, "1")
    report = score_candidates(workspace, only=["geneval"])
    assert [(one.name, one.wanted, one.made) for one in report.outcomes] == [("geneval", 4, 4)]
    found = take_inventory(workspace).verdicts("geneval")
    assert found.height == 4
    for row in found.iter_rows(named=True):
        (part,) = row["parts"]
        assert part["question"] in ("1 dog", "1 red chair")
        assert row["correct"] is part["correct"] is (row["reason"] == "")
    ask({**rows, "a photo of a dog": {"include": [{"class": "wolf", "count": 1}]}}, "2")
    again = score_candidates(Workspace.open(workspace.store.root), only=["geneval"])
    broken = again.outcomes[0].broken
    assert isinstance(broken, EvaluationError)
    says = "judges.geneval: item 'a photo of a dog': objects.include.0.class: 'wolf'"
    assert broken.message.startswith(says)


@pytest.mark.parametrize("size", [(1, 200), (200, 1), (1, 1), (3, 2)])
def test_images_of_any_size_are_judged(judge: GenEvalJudge, size: tuple[int, int]) -> None:
    ready = judge.pixels(Image.new("RGB", size, "red"))
    (verdict,) = judge.judge([judge.canary()], [ready])
    assert verdict.correct is False


def test_it_is_registered() -> None:
    assert JUDGES.load("geneval") is GenEvalJudge


TAGS = ("single", "two", "counting", "colours", "position", "colour_attribution")


@pytest.mark.parametrize("task", TAGS)
def test_images_of_other_prompts_score_by_chance(task: str) -> None:
    rng = np.random.default_rng(TAGS.index(task))
    meanings = [draw(rng, task, "train")[0] for _ in range(60)]
    images = [detections(read(to_image(illustrate(meaning, rng)))) for meaning in meanings]
    assert CANVAS == 32

    def right(meaning: Meaning, seen: dict[Detection, str]) -> bool:
        return bool(judge_objects(wanted_objects(meaning), list(seen), seen.__getitem__).correct)

    table = np.array([[right(meaning, seen) for seen in images] for meaning in meanings])
    own = table.diagonal().mean()
    others = table[~np.eye(len(table), dtype=bool)]
    swapped = np.roll(table, 1, axis=1).diagonal()
    chance = others.mean()
    assert own > 0.95
    spread = (chance * (1 - chance) / len(swapped)) ** 0.5
    assert abs(swapped.mean() - chance) < 4 * spread + 1 / len(swapped)
    assert chance < own - 0.3


def test_it_is_a_reward_of_what_a_prompt_asks(
    places: tuple[Path, str, Path], judge: GenEvalJudge
) -> None:
    images = pictures((90, 90), (90, 60), (61, 61))
    ready = [judge.pixels(one) for one in images]
    rows = [
        {"tag": "single_object", "include": [{"class": objects[0].name, "count": 1}]}
        for objects in judge._detector.find(ready)
    ]
    forms = judge.forms([asked_of(AskedPrompt("…", row)) for row in rows], ready)
    assert [one["correct"] for one in forms] == [1, 1, 1]
    for form in ("graded", "strict", "correct"):
        reward = synpic.reward(
            "geneval", checkpoint=places[0], clip=places[2], device="cpu", form=form
        )
        scores = reward.score("…", images, metadata=rows)
        assert scores == [np.float32(one[form]) for one in forms]
        assert reward.score("…", images[1:2], metadata=rows[1:2]) == scores[1:2]
    with pytest.raises(RewardError, match="what the prompt asks for is not known"):
        reward.score("…", images)
    with pytest.raises(RewardError, match=r"include\.0\.class: 'wolf'"):
        reward.score("…", images[:1], metadata=[{"include": [{"class": "wolf", "count": 1}]}])
    with pytest.raises(RewardError, match="metadata of 1 prompts for 3 images"):
        reward.score("…", images, metadata=rows[:1])
    with pytest.raises(RewardError, match="no form 'soft'"):
        synpic.reward("geneval", checkpoint=places[0], clip=places[2], device="cpu", form="soft")


def test_synpic_score_has_it_as_a_reward_of_a_suite(
    places: tuple[Path, str, Path], tmp_path: Path, judge: GenEvalJudge
) -> None:
    """Scores lie with those of other rewards; another suite is another fingerprint."""
    text = RECIPE.replace("[judges.geneval]", "[rewards.geneval]").replace(
        "options = {{", 'options = {{ form = "strict",'
    )
    prompts = [("a photo of a dog", "train"), ("a photo of a cat", "train")]
    text = text.format(places[0], places[2])
    workspace = build(tmp_path / "set", prompts, text=text, score=lambda *_: None)

    def ask(version: str) -> None:
        known = take_inventory(workspace).prompts.select("prompt_id", "prompt").iter_rows()
        table = [
            {
                "prompt_id": prompt_id,
                "suite": "mine",
                "version": version,
                "item": prompt,
                "tag": "single_object",
                "spec": json.dumps(
                    {"objects": {"include": [{"class": prompt.split()[-1], "count": 1}]}}
                ),
            }
            for prompt_id, prompt in known
        ]
        write_suite(workspace, pa.Table.from_pylist(table, tables.SUITE))

    ask("1")
    report = score_candidates(workspace)
    assert [(one.name, one.made, one.failed) for one in report.outcomes] == [("geneval", 4, 0)]
    scored = take_inventory(workspace).scored()
    assert set(scored["score_geneval"].to_list()) <= {0.0, 1.0}
    (reward,) = take_inventory(workspace).found_rewards
    assert reward.fingerprint_inputs["suite"] == {"name": "mine", "version": "1"}
    ask("2")
    assert take_inventory(workspace).scored()["score_geneval"].null_count() == 4
