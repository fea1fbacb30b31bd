"""GenEval's rule: cases that its own code decided, on made-up detections."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.score.judges.geneval import (
    COLOURS,
    Box,
    Detection,
    Position,
    Relation,
    Specification,
    WantedObjects,
    confident,
    judge_objects,
    relations,
)

BEAR: Box = (100, 100, 200, 200)
ANYWHERE: Box = (0, 0, 10, 10)


def seen(name: str, *scores: float, box: Box = ANYWHERE) -> list[Detection]:
    return [Detection(name, box, score) for score in scores]


def no_colour(_: Detection) -> str:
    raise AssertionError("no colour was asked for")


def dog(relation: Relation) -> Specification:
    return Specification(
        "position", (WantedObjects("bear", 1), WantedObjects("dog", 1, None, Position(relation, 0)))
    )


def clocks(n: int) -> Specification:
    return Specification("counting", (WantedObjects("clock", n),), (("clock", n + 1),))


RIGHT = "right of"

CASES = {
    "above the threshold": (
        Specification("single_object", (WantedObjects("bench", 1),)), seen("bench", 0.31), ""),
    "at the threshold": (
        Specification("single_object", (WantedObjects("bench", 1),)), seen("bench", 0.3),
        "1 bench: 0 found"),
    "more and others do not matter": (
        Specification("two_object", (WantedObjects("bench", 1), WantedObjects("ball", 1))),
        seen("bench", 0.9, 0.8) + seen("ball", 0.31) + seen("dog", 0.99), ""),
    "two of three are sure": (clocks(2), seen("clock", 0.95, 0.91, 0.89), ""),
    "three are sure": (
        clocks(2), seen("clock", 0.95, 0.92, 0.91), "fewer than 3 clock: 3"),
    "one box twice": (clocks(2), seen("clock", 0.95, 0.94), ""),
    "left of the target": (
        dog("right of"),
        seen("bear", 0.9, box=BEAR) + seen("dog", 0.9, box=(0, 100, 40, 140))
        + seen("dog", 0.8, box=(300, 100, 400, 200)),
        "1 dog right of the bear: left of"),
    "no target": (
        dog("right of"), seen("dog", 0.9, box=BEAR),
        "1 bear: 0 found; 1 dog right of the bear: no bear to be right of"),
    "seventeen count as sixteen": (
        clocks(4), seen("clock", *[0.95] * 17), "fewer than 5 clock: 16"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_geneval_s(case: str) -> None:
    specification, detections, reason = CASES[case]
    for order in (detections, detections[::-1]):
        found = judge_objects(specification, order, no_colour)
        assert (found.correct, found.reason) == (not reason, reason)
        assert [part.correct for part in found.parts].count(False) == len(
            list(filter(None, reason.split("; ")))
        )


def test_the_first_alone_is_classified() -> None:
    hydrant = Specification("colors", (WantedObjects("fire hydrant", 1, "blue"),))
    red, blue = seen("fire hydrant", 0.9, 0.8)
    found = judge_objects(hydrant, [red, blue], {red: "red", blue: "blue"}.__getitem__)
    assert (found.correct, found.reason) == (False, "1 blue fire hydrant: red")
    assert judge_objects(hydrant, [red, blue], lambda _: "blue").correct


def test_swapped_colours_are_two_reasons() -> None:
    asked = Specification(
        "color_attr", (WantedObjects("glass", 1, "purple"), WantedObjects("apple", 1, "black"))
    )
    detections = seen("glass", 0.9) + seen("apple", 0.9)
    colours = {"glass": "black", "apple": "purple"}
    found = judge_objects(asked, detections, lambda one: colours[one.name])
    assert found.reason == "1 purple glass: black; 1 black apple: purple"
    assert [part.correct for part in found.parts] == [False, False]


@pytest.mark.parametrize(
    ("relation", "box", "right"),
    [
        ("right of", (120, 100, 220, 200), False),  # within the slack
        ("right of", (140, 100, 240, 200), False),  # 20/40: not above a half
        ("right of", (141, 100, 241, 200), True),  # 21/41
        ("below", (300, 300, 400, 400), True),
        ("below", (300, 220, 400, 320), False),  # 100/233
    ],
)
def test_relations_are_geneval_s(relation: Relation, box: Box, right: bool) -> None:
    detections = seen("bear", 0.9, box=BEAR) + seen("dog", 0.9, box=box)
    assert judge_objects(dog(relation), detections, no_colour).correct is right


numbers = st.integers(0, 400).map(float)
boxes = st.tuples(numbers, numbers, st.integers(1, 200), st.integers(1, 200)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
OPPOSITE: dict[Relation, Relation] = {
    "left of": "right of", "right of": "left of", "above": "below", "below": "above",
}  # fmt: skip


@given(boxes, boxes)
def test_relations_turn_round(box: Box, target: Box) -> None:
    there, back = relations(box, target), relations(target, box)
    assert {OPPOSITE[one] for one in there} == back
    assert not {"left of", "right of"} <= there
    assert not {"above", "below"} <= there


@given(st.lists(st.floats(0, 1, width=32), max_size=40), st.sampled_from(["counting", "colors"]))
def test_the_most_confident_count(scores: Sequence[float], tag: str) -> None:
    least = 0.9 if tag == "counting" else 0.3
    expected = sorted((score for score in scores if score > least), reverse=True)[:16]
    found = confident(seen("cup", *scores), tag)
    assert [one.score for one in found.get("cup", [])] == expected


def test_colours_are_ten() -> None:
    assert len(set(COLOURS)) == 10
