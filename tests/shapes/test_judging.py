"""The judge ``shapes`` says what the rules of the world say, and why, in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import synpic
from synpic import Workspace
from synpic.errors import EvaluationError, Unfinished
from synpic.pipeline.inventory import take_inventory
from synpic.readers.images import decode
from synpic.score.judges.judge import Requirement
from synpic.score.judges.verdict import Verdict
from synpic.shapes.judge import lenient, read, strict
from synpic.shapes.judging import ShapesJudge
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import Scene, Thing, to_image

RED_CIRCLE = Thing("circle", "red", 3, 3, 11)
BLUE_STAR = Thing("star", "blue", 18, 18, 11)
GREEN_STAR = Thing("star", "green", 18, 3, 11)


def judged(prompt: str, image: Image.Image) -> Verdict:
    judge = ShapesJudge()
    (verdict,) = judge.judge([Requirement(prompt)], [judge.pixels(image)])
    return verdict


def assert_by_the_rules(prompt: str, image: Image.Image) -> Verdict:
    verdict = judged(prompt, image)
    assert verdict.correct is strict(prompt, image)
    parts = {part.id: part.correct for part in verdict.parts}
    assert parts == {"strict": strict(prompt, image), "lenient": lenient(prompt, image)}
    assert bool(verdict.reason) is not verdict.correct
    return verdict


@pytest.mark.parametrize(
    ("prompt", "background", "things", "says"),
    [
        ("a red circle", "grey", (RED_CIRCLE,), ""),
        ("a circle", "grey", (RED_CIRCLE, BLUE_STAR), "2 things, expected 1"),
        ("a circle", "grey", (), "nothing is there, expected 1"),
        ("a blue circle", "grey", (RED_CIRCLE,), "a red circle, expected a blue circle"),
        ("a star", "grey", (RED_CIRCLE,), "a red circle, expected a star"),
        (
            "a red circle on a grey background",
            "white",
            (RED_CIRCLE,),
            "background is white, expected grey",
        ),
        (
            "two red circles on a grey background",
            "white",
            (RED_CIRCLE,),
            "background is white, expected grey; 1 thing, expected 2",
        ),
        (
            "a red circle and a green star",
            "grey",
            (BLUE_STAR, RED_CIRCLE),
            "a blue star, expected a green star",
        ),
        (
            "a red star and a blue circle",
            "grey",
            (BLUE_STAR, RED_CIRCLE),
            "a blue star, expected a red star; a red circle, expected a blue circle",
        ),
        (
            "a red circle to the right of a green star",
            "grey",
            (RED_CIRCLE, GREEN_STAR),
            "a red circle is left of a green star, expected right of",
        ),
        (
            "a circle above a star",
            "grey",
            (GREEN_STAR, RED_CIRCLE),
            "a red circle is left of a green star, expected above",
        ),
        ("two stars", "grey", (GREEN_STAR, RED_CIRCLE), "a red circle, expected a star"),
    ],
)
def test_what_is_wrong_is_said(
    prompt: str, background: str, things: tuple[Thing, ...], says: str
) -> None:
    verdict = assert_by_the_rules(prompt, to_image(Scene(background, things)))
    assert verdict.reason == says


def test_what_the_world_does_not_know_is_said() -> None:
    pixels = np.asarray(to_image(Scene("grey", (RED_CIRCLE,)))).copy()
    rim = tuple(pixels[0, 0])
    pixels[(pixels == rim).all(-1)] = (255, 0, 255)
    verdict = assert_by_the_rules("a red circle on a grey background", Image.fromarray(pixels))
    assert verdict.reason.startswith("background is of no colour of the world, expected grey")
    square = np.full((32, 32, 3), (255, 255, 255), np.uint8)
    square[8:24, 4:29] = (200, 30, 40)
    verdict = assert_by_the_rules("a red circle", Image.fromarray(square))
    assert verdict.reason == "a red thing of no known shape, expected a red circle"
    assert verdict.parts[0].answer == "a red thing of no known shape on white"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert_by_the_rules("a red circle", Image.fromarray(noise))


def test_every_verdict_is_the_rules_on_scenes_and_on_others_prompts() -> None:
    rng = np.random.default_rng(3)
    texts = [text for text, _ in prompts(48, 3, "train")]
    images = [to_image(illustrate(parse(text), rng)) for text in texts]
    own = [assert_by_the_rules(*one).correct for one in zip(texts, images, strict=True)]
    assert np.mean(own) >= 0.97
    moved = [*images[1:], images[0]]
    others = [assert_by_the_rules(*one).correct for one in zip(texts, moved, strict=True)]
    # Chance: "two stars" may well be shown by the next picture of two stars.
    assert np.mean(others) < 0.1


def test_a_verdict_is_the_same_alone_and_in_a_batch() -> None:
    judge, rng = ShapesJudge(), np.random.default_rng(5)
    texts = [text for text, _ in prompts(24, 5, "train")]
    pictures = [read(to_image(illustrate(parse(text), rng))) for text in texts]
    asked = [Requirement(text) for text in texts[::-1]]
    together = judge.judge(asked, pictures)
    assert together == [
        judge.judge([one], [picture])[0] for one, picture in zip(asked, pictures, strict=True)
    ]


def test_its_canary_is_refused() -> None:
    judge = ShapesJudge()
    grey = Image.new("RGB", (256, 256), (128, 128, 128))
    (verdict,) = judge.judge([judge.canary()], [judge.pixels(grey)])
    assert verdict.correct is False
    assert verdict.reason == "nothing is there, expected 1"


def test_a_prompt_of_others_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="a photo of a dog") as caught:
        ShapesJudge.check(Requirement("a photo of a dog"))
    assert caught.value.hint
    with pytest.raises(ValueError, match="not a prompt of the shapes world"):
        judged("a photo of a dog", to_image(Scene("grey", (RED_CIRCLE,))))
    (tmp_path / "prompts.txt").write_text("a red circle\na photo of a dog\n")
    workspace = Workspace.create(
        tmp_path / "set", RECIPE.replace('world = "shapes"\ncount = 24', 'file = "../prompts.txt"')
    )
    synpic.generate_candidates(workspace, device="cpu")
    with pytest.raises(Unfinished, match=r"judges\.shapes: prompt 'a photo of a dog': the judge"):
        synpic.score_candidates(workspace).raise_if_unfinished()


RECIPE = """
[prompts]
world = "shapes"
count = 24

[models.shapes_unet]
steps = 4

[judges.shapes]
"""


def test_every_verdict_is_the_rules_on_a_models_pictures(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", RECIPE)
    synpic.generate_candidates(workspace, device="cpu").raise_if_unfinished()
    synpic.score_candidates(workspace).raise_if_unfinished()
    inventory = take_inventory(workspace)
    rows = inventory.verdicts("shapes")
    assert rows.height == 24
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    pictures = map(decode, workspace.images(inventory.image_folders()).read(keys))
    for row, picture in zip(rows.iter_rows(named=True), pictures, strict=True):
        assert row["correct"] is strict(row["prompt"], picture)
        assert [part["id"] for part in row["parts"]] == ["strict", "lenient"]
        assert row["parts"][1]["correct"] is lenient(row["prompt"], picture)
        assert bool(row["reason"]) is not row["correct"]
        assert re.fullmatch(r"[\w ,;]*", row["reason"])
    # With so few steps, neither everything nor nothing is right.
    assert 0 < rows["correct"].sum() < 24
