"""What tokens of an answer mean."""

from __future__ import annotations

import math

import pytest

from synpic.score.judges.expected_answers import expected_answer
from synpic.score.vlm.questions import VlmAnswer, place_of

YES, NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")


def answer(**tokens: float) -> VlmAnswer:
    """Tokens with their probabilities; ``_`` stands for a space."""
    return VlmAnswer(
        [place_of([(text.replace("_", " "), math.log(chance)) for text, chance in tokens.items()])]
    )


SPLIT = answer(Yes=0.3, _yes=0.2, no=0.25, Maybe=0.05)


def test_spellings_add_up_and_measures_differ() -> None:
    yes = expected_answer("Yes", YES, NO)
    assert yes.read(SPLIT, "probability").probability == pytest.approx(0.5)
    assert yes.read(SPLIT, "yes-or-no").probability == pytest.approx(0.5 / 0.75)
    assert yes.read(SPLIT, "yes-or-no").answer == "yes"
    no = expected_answer("no", YES, NO).read(SPLIT, "yes-or-no")
    assert no.probability == pytest.approx(0.25 / 0.75)
    assert (no.answer, no.right, no.text) == ("yes", False, "Yes")


def test_an_answer_that_is_sure_has_a_share_of_one_or_zero() -> None:
    sure = VlmAnswer([{"No": -1e-9, "x": -800.0, "Yes": -900.0}])
    assert expected_answer("yes", YES, NO).read(sure, "yes-or-no").probability == 0
    assert expected_answer("no", YES, NO).read(sure, "yes-or-no").probability == 1


@pytest.mark.parametrize("written", ["four", "4", "Four", " FOUR "])
def test_a_number_is_a_word_or_a_digit(written: str) -> None:
    four = expected_answer(written, YES, NO)
    assert set(four.spellings) == {"four", " four", "Four", " Four", "4", " 4"}
    found = four.read(answer(three=0.3, four=0.2, Four=0.05, **{"4": 0.1}), "probability")
    assert found.probability == pytest.approx(0.35)
    assert (found.answer, found.right, found.text) == ("four", True, "three")
    wrong = four.read(answer(three=0.3, four=0.2, **{"3": 0.2}), "yes-or-no")
    assert (wrong.answer, wrong.right) == ("three", False)
    assert wrong.probability == pytest.approx(0.2)


def test_another_word_is_compared_in_any_case() -> None:
    red = expected_answer("Red", YES, NO)
    assert red.read(answer(red=0.6, _RED=0.2, blue=0.2), "probability").right
    assert not red.read(answer(redder=0.6, red=0.2), "probability").right


def test_what_is_not_among_the_likeliest_is_bounded() -> None:
    seven = expected_answer("seven", YES, NO)
    found = seven.read(answer(two=0.9, three=0.04), "probability")
    assert found.probability == pytest.approx(0.04)
    assert not found.right


@pytest.mark.parametrize(
    ("expected", "tokens", "says"),
    [
        ("yes", {"The": 0.9, "A": 0.05}, "neither 'Yes' nor 'No' is among"),
        ("turquoise", {"tur": 0.6, "blue": 0.3}, "'turquoise' is several tokens of this model"),
        ("two", {"There": 0.9, "The": 0.05}, "no number is among the likeliest tokens"),
    ],
)
def test_what_says_nothing_is_no_answer(expected: str, tokens: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        expected_answer(expected, YES, NO).read(answer(**tokens), "probability")
    with pytest.raises(ValueError, match="the answer is empty"):
        expected_answer(expected, YES, NO).read(VlmAnswer([]), "probability")
