"""GenEval's forms as a reward: cases that Flow-GRPO's own server decided, on made-up detections."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.score.judged import AskedPrompt, asked_of
from synpic.score.judges.detection.specifications import specification
from synpic.score.judges.geneval import Detection
from synpic.score.judges.geneval_forms import geneval_forms
from synpic.score.judges.judge import Requirement

DOG, TWO_DOGS = {"class": "dog", "count": 1}, {"class": "dog", "count": 2}
RED_DOG = {**DOG, "color": "red"}
TWO_RED = {**TWO_DOGS, "color": "red"}
CAT_LEFT = {"class": "cat", "count": 1, "position": ["left of", 0]}
RED_CAT_LEFT = {**CAT_LEFT, "color": "red"}

# tag, include, what is seen: name, left, colour, score; graded, strict
CASES: list[tuple[str, list[dict[str, Any]], list[tuple[str, int, str, float]], float, float]] = [
    ("single_object", [DOG], [], 0, 0),
    ("single_object", [DOG], [("dog", 0, "red", 0.31)], 1, 1),
    ("single_object", [DOG], [("dog", 0, "red", 0.9), ("dog", 50, "red", 0.9)], 0, 0),
    ("single_object", [DOG], [("dog", 9 * n, "red", 0.9) for n in range(20)], -14, 0),
    ("counting", [TWO_DOGS], [("dog", 0, "red", 0.95), ("dog", 50, "red", 0.5)], 0.5, 0),
    ("counting", [TWO_DOGS], [("dog", 0, "red", 0.95), ("dog", 50, "red", 0.91)], 1, 1),
    ("colors", [RED_DOG], [("dog", 0, "blue", 0.9)], 0.5, 0),
    ("colors", [RED_DOG], [("dog", 0, "red", 0.9), ("dog", 50, "red", 0.9)], 0, 0),
    ("colors", [TWO_RED], [("dog", 0, "red", 0.9), ("dog", 50, "blue", 0.9)], 0.75, 0),
    ("two_object", [DOG, {"class": "cat", "count": 1}], [("dog", 0, "red", 0.9)], 0.5, 0),
    ("position", [DOG, CAT_LEFT], [("dog", 50, "red", 0.9), ("cat", 0, "red", 0.9)], 1, 1),
    # A wrong place adds a 0 and a 1, and a target that is not as wanted a 0 alone.
    ("position", [DOG, CAT_LEFT], [("dog", 0, "red", 0.9), ("cat", 50, "red", 0.9)], 0.75, 0),
    ("position", [DOG, CAT_LEFT], [("cat", 0, "red", 0.9)], 1 / 3, 0),
    ("position", [DOG, CAT_LEFT], [("dog", 50, "red", 0.9)], 1 / 3, 0),
    ("position", [DOG, RED_CAT_LEFT], [("dog", 50, "red", 0.9), ("cat", 0, "blue", 0.9)], 2 / 3, 0),
]


def seen(objects: list[tuple[str, int, str, float]]) -> dict[Detection, str]:
    return {
        Detection(name, (left, 0, left + 8, 8), score): colour
        for name, left, colour, score in objects
    }


@pytest.mark.parametrize(("tag", "include", "objects", "graded", "strict"), CASES)
def test_forms_are_those_of_flow_grpo(
    tag: str,
    include: list[dict[str, Any]],
    objects: list[tuple[str, int, str, float]],
    graded: float,
    strict: float,
) -> None:
    wanted = specification(Requirement("…", tag, {"objects": {"include": include}}))
    found = seen(objects)
    forms = geneval_forms(wanted, list(found), found.__getitem__)
    assert forms == {"graded": graded, "strict": strict}


@given(
    st.lists(st.sampled_from([DOG, TWO_DOGS, RED_DOG, TWO_RED]), min_size=1, max_size=2),
    st.lists(
        st.tuples(
            st.sampled_from(["dog", "cat"]),
            st.integers(0, 90),
            st.sampled_from(["red", "blue"]),
            st.floats(0, 1),
        )
    ),
)
def test_strict_is_the_largest_grade(include: Any, objects: Any) -> None:
    wanted = specification(Requirement("…", "colors", {"objects": {"include": include}}))
    found = seen(objects)
    forms = geneval_forms(wanted, list(found), found.__getitem__)
    assert forms["graded"] <= 1
    assert (forms["strict"] == 1) == (forms["graded"] == 1)


def test_what_is_asked_is_read_of_either_form() -> None:
    """A row of GenEval's list, as Flow-GRPO sends it; and the tag with a suite's specification."""
    row = {"tag": "counting", "include": [TWO_DOGS], "exclude": [], "prompt": "two dogs"}
    objects = {"include": [TWO_DOGS], "exclude": []}
    wanted = Requirement("two dogs", "counting", {"objects": objects})
    assert asked_of(AskedPrompt("two dogs", row)) == wanted
    spec = {"tag": "counting", "objects": objects}
    assert asked_of(AskedPrompt("two dogs", spec)) == wanted
    for prompt in ("two dogs", AskedPrompt("two dogs", {})):
        assert asked_of(prompt) == Requirement("two dogs")
