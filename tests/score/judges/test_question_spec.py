"""Questions of a suite's item: what is read, and what is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import EvaluationError
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.questions import ImageQuestion


def test_questions_are_read_in_their_order() -> None:
    spec = {
        "questions": [
            {"id": "1", "text": "Is there a dog?", "parents": []},
            {
                "id": "2",
                "text": "How many?",
                "parents": ["1"],
                "answer": "two",
                "category": "count",
            },
        ],
        "objects": {"not": "ours"},
    }
    assert questions_of(spec) == [
        ImageQuestion("1", "Is there a dog?"),
        ImageQuestion("2", "How many?", ("1",), "two", "count"),
    ]


ONE = {"id": "1", "text": "Is there a dog?"}


@pytest.mark.parametrize(
    ("questions", "says"),
    [
        (None, "questions: there are none, and this judge asks them"),
        ("Is there a dog?", "questions: expected a list"),
        ([], "questions: no question"),
        (["Is there a dog?"], r"questions\[0\] is 'Is there a dog\?', expected a table"),
        ([ONE, {"id": "2"}], r"questions\[1\].text is missing"),
        ([{"id": 1, "text": "?"}], r"questions\[0\].id is 1, expected a text"),
        ([{**ONE, "text": " "}], r"questions\[0\].text is ' ', expected a text"),
        ([{**ONE, "parent": ["1"]}], r"unknown key 'parent'.*parents"),
        ([{**ONE, "parents": "1"}], r"questions\[0\].parents is '1', expected a list"),
        ([{**ONE, "parents": [1]}], r"questions\[0\].parents is \[1\], expected a list"),
        ([{**ONE, "answer": "dark blue"}], r"questions\[0\].answer is 'dark blue', expected one"),
        ([{**ONE, "answer": None}], r"questions\[0\].answer is None, expected a text"),
        ([ONE, ONE], "questions: two questions have the id '1'"),
        ([{**ONE, "parents": ["7"]}], "question '1' depends on '7'"),
        ([{**ONE, "parents": ["1"]}], "in a circle: 1 → 1"),
    ],
)
def test_what_cannot_be_asked_is_refused(questions: Any, says: str) -> None:
    spec = {} if questions is None else {"questions": questions}
    with pytest.raises(EvaluationError, match=says) as error:
        questions_of(spec)
    assert error.value.hint


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "text", "parents", "answer", "x"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_whatever_stands_there_is_questions_or_one_error(value: Any) -> None:
    try:
        found = questions_of({"questions": value})
    except EvaluationError as error:
        assert error.message.startswith("questions")
    else:
        assert all(one.text.strip() and one.answer for one in found)
