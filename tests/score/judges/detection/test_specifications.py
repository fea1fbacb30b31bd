"""Specifications of objects are taken as GenEval's file has them, or refused by the key."""

from __future__ import annotations

from typing import Any

import pytest

from synpic.errors import EvaluationError
from synpic.prompts.suites.objects import CLASSES
from synpic.score.judges.detection.specifications import specification
from synpic.score.judges.geneval import Position, Specification, WantedObjects
from synpic.score.judges.judge import Requirement


def read(objects: Any, tag: str = "") -> Specification:
    return specification(Requirement("a prompt", tag, {"objects": objects}))


DOG = {"class": "dog", "count": 1}


def test_every_kind_of_task_is_read() -> None:
    found = read(
        {
            "include": [
                {"class": "wine glass", "count": 1, "color": "purple"},
                {"class": "dog", "count": 2, "position": ["left of", 0]},
            ],
            "exclude": [{"class": "dog", "count": 3}],
        },
        "counting",
    )
    assert found == Specification(
        "counting",
        (
            WantedObjects("wine glass", 1, "purple"),
            WantedObjects("dog", 2, None, Position("left of", 0)),
        ),
        (("dog", 3),),
    )
    assert read({"include": [DOG]}) == Specification("", (WantedObjects("dog", 1),))


@pytest.mark.parametrize(
    ("objects", "says"),
    [
        (None, "objects: there is none"),
        ([], "objects: expected"),
        ({"include": [DOG, {**DOG, "class": "wolf"}]}, "objects.include.1.class: 'wolf'"),
        ({"include": [{**DOG, "count": 0}]}, "objects.include.0.count: expected"),
        ({"include": [{**DOG, "color": "grey"}]}, "objects.include.0.color: 'grey'"),
        ({"include": [DOG, {**DOG, "position": ["on", 0]}]}, "objects.include.1.position: 'on'"),
        ({"include": [DOG, {**DOG, "position": ["above", 1]}]}, "objects.include.1.position"),
        ({"include": [DOG], "exclude": [{**DOG, "count": 0}]}, "objects.exclude.0.count"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_by_its_key(objects: Any, says: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        read(objects)
    assert says in caught.value.message
    assert "docs/geneval.md" in (caught.value.hint or "")


def test_the_classes_are_in_the_order_of_the_detector_s_outputs() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 80
    places = {"person": 0, "dog": 16, "computer mouse": 64, "clock": 74, "toothbrush": 79}
    assert {name: CLASSES.index(name) for name in places} == places
