"""Noun phrases by rule, on prompts of our own whose phrases a person marked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.score.judges.phrases import LEFT_OUT, MOST_PHRASES, noun_phrases

# "|" parts the phrases; what is outside of them is left out.
MARKED = {
    "a red apple and a green leaf": "a red apple|a green leaf",
    "an oval mirror and a square rug": "an oval mirror|a square rug",
    "a wooden chair and rubber boots": "a wooden chair|rubber boots",
    "a tall giraffe and a short pony": "a tall giraffe|a short pony",
    "a spherical bubble and a conical paper cup": "a spherical bubble|a conical paper cup",
    "a soda can and a glass of water": "a soda can|a glass|water",
    "a can of beans": "a can|beans",
    "a purple rose and a pink lily": "a purple rose|a pink lily",
    "a yellow butterfly, a blue dragonfly": "a yellow butterfly|a blue dragonfly",
    "a black and white cow in a green field": "a black and white cow|a green field",
    "a small, round, shiny button": "a small, round, shiny button",
    "red and white mushrooms": "red and white mushrooms",
    "The fluffy pillow lies on top of the hard bench.": "The fluffy pillow|the hard bench",
    "The metallic spoon and the glass jar sit on the fabric napkin.": (
        "The metallic spoon|the glass jar|the fabric napkin"
    ),
    "The leather boots stand next to the plastic bucket.": "The leather boots|the plastic bucket",
    "a lamp stand on a table": "a lamp stand|a table",
    "The iron kettle hangs over the brick stove": "The iron kettle|the brick stove",
    "The round lantern lit the narrow alley": "The round lantern|the narrow alley",
    "a man wearing an orange jacket": "a man|an orange jacket",
    "a boy riding horses": "a boy|horses",
    "a pencil sharpening tool": "a pencil sharpening tool",
    "a wooden cutting board with rounded corners": "a wooden cutting board|rounded corners",
    "a painted fence behind a rolling cart": "a painted fence|a rolling cart",
    "The square tray with its oval handles held cups": "The square tray|its oval handles|cups",
    "a dog on the left of a cat": "a dog|a cat",
    "the key is on the right and the lock on the side": "the key|the lock",
    "a woman in green": "a woman|green",
    "three brown bears and two grey wolves": "three brown bears|two grey wolves",
    "The soup was hot and spicy.": "The soup",
    "a leather-bound book beside a hand-painted vase": "a leather-bound book|a hand-painted vase",
    "a bus that is parked near the harbour": "a bus|the harbour",
    "they hold a cake": "they|a cake",
    "a clean kitchen while a cat sleeps softly": "a clean kitchen|a cat",
    "A delicate and colorful kite floated above the hill": "A delicate and colorful kite|the hill",
    "the baker's white apron": "the baker's white apron",
    "a bird, a frog & a fish": "a bird|a frog|a fish",
}


@pytest.mark.parametrize("prompt", MARKED)
def test_marked_prompts(prompt: str) -> None:
    assert noun_phrases(prompt) == MARKED[prompt].split("|")


@pytest.mark.parametrize("prompt", ["", " ", "the", "red and blue", "sitting, standing", "!?"])
def test_nothing_to_ask_about(prompt: str) -> None:
    assert noun_phrases(prompt) == []


def test_what_says_where_is_left_out() -> None:
    for phrase in LEFT_OUT:
        assert noun_phrases(f"a cup on {phrase} of a box") == ["a cup", "a box"]
    assert noun_phrases("on the left side of a box") == ["the left side", "a box"]


def test_no_more_than_eight() -> None:
    many = " and ".join(f"a {colour} cup" for colour in ["red", "green"] * 10)
    assert noun_phrases(many) == ["a red cup", "a green cup"] * 4
    assert MOST_PHRASES == 8


@given(st.text(max_size=80))
def test_phrases_are_pieces_of_any_prompt_in_their_order(prompt: str) -> None:
    place = 0
    for phrase in noun_phrases(prompt):
        place = prompt.index(phrase, place) + len(phrase)


COLOURS, NOUNS = ["red", "green", "brown"], ["bench", "apple", "teddy bear", "sink", "cup"]
PAIRS = st.tuples(st.sampled_from(COLOURS), st.sampled_from(NOUNS))


@given(st.lists(PAIRS, min_size=1, max_size=4))
def test_lists_of_coloured_things(things: list[tuple[str, str]]) -> None:
    wanted = [f"a {colour} {noun}" for colour, noun in things]
    assert noun_phrases(" and ".join(wanted)) == wanted
