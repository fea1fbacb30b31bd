from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import PromptError
from synpic.shapes.meaning import (
    OPPOSITE,
    RELATIONS,
    TASKS,
    WORDS,
    Asked,
    Meaning,
    illustrate,
    parse,
    wordings,
    write,
)
from synpic.shapes.scene import BACKGROUNDS, COLOURS, SHAPES

shapes = st.sampled_from(SHAPES)
colours = st.sampled_from(list(COLOURS))
backgrounds = st.none() | st.sampled_from(list(BACKGROUNDS))


@st.composite
def meanings(draw: st.DrawFn) -> Meaning:
    background = draw(backgrounds)
    if draw(st.booleans()):
        thing = Asked(draw(shapes), draw(st.none() | colours))
        return Meaning((thing,), count=draw(st.integers(1, 4)), background=background)
    a, b = draw(st.lists(shapes, min_size=2, max_size=2, unique=True))
    pair = [None, None]
    if draw(st.booleans()):
        pair = draw(st.lists(colours, min_size=2, max_size=2, unique=True))
    relation = draw(st.none() | st.sampled_from(list(RELATIONS)))
    return Meaning((Asked(a, pair[0]), Asked(b, pair[1])), 1, relation, background)


@given(meanings())
def test_every_wording_reads_back_as_what_was_meant(meaning: Meaning) -> None:
    texts = wordings(meaning)
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert parse(text) == meaning


@given(meanings())
def test_prompts_are_made_of_the_world_s_words_and_short(meaning: Meaning) -> None:
    for text in wordings(meaning):
        words = text.split()
        assert set(words) <= set(WORDS)
        assert len(words) <= 14


@given(meanings(), st.integers(0, 2**32))
def test_a_scene_shows_what_was_meant_and_no_more(meaning: Meaning, seed: int) -> None:
    scene = illustrate(meaning, np.random.default_rng(seed))
    assert meaning.background in (None, scene.background)
    assert len(scene.things) == len(meaning.wanted)
    for thing, asked in zip(scene.things, meaning.wanted, strict=True):
        assert thing.shape == asked.shape
        assert asked.colour in (None, thing.colour)
    if meaning.relation:
        (ax, ay), (bx, by) = (thing.centre for thing in scene.things)
        held = {"left of": ax < bx, "right of": ax > bx, "above": ay < by, "below": ay > by}
        assert held[meaning.relation]


@given(meanings())
def test_turning_a_sentence_round_keeps_its_combination(meaning: Meaning) -> None:
    assert meaning.combination.background is None
    assert meaning.combination.combination == meaning.combination
    if len(meaning.things) == 2:
        relation = OPPOSITE[meaning.relation] if meaning.relation else None
        turned = Meaning(meaning.things[::-1], 1, relation, "grey")
        assert turned.combination == meaning.combination


@pytest.mark.parametrize(
    ("text", "meaning", "task"),
    [
        ("a star", Meaning((Asked("star"),)), "single"),
        ("an orange cross", Meaning((Asked("cross", "orange"),)), "colours"),
        ("three green stars on a black background",
         Meaning((Asked("star", "green"),), 3, None, "black"), "counting"),
        ("a circle and a star", Meaning((Asked("circle"), Asked("star"))), "two"),
        ("a red circle left of a blue square",
         Meaning((Asked("circle", "red"), Asked("square", "blue")), 1, "left of"), "position"),
        ("A red circle  beside a blue square",
         Meaning((Asked("circle", "red"), Asked("square", "blue"))), "colour_attribution"),
    ],
)  # fmt: skip
def test_reads_plain_english(text: str, meaning: Meaning, task: str) -> None:
    assert parse(text) == meaning
    assert parse(text).task == task
    assert task in TASKS


@pytest.mark.parametrize(
    "text",
    ["", "a photo of a cat", "a orange cross", "two star", "five stars", "a star and", "one a star",
     "a pink star", "a star on a red background", "a circle left of"],
)  # fmt: skip
def test_refuses_what_is_not_of_the_world(text: str) -> None:
    with pytest.raises(PromptError, match="not a prompt of the shapes world") as caught:
        parse(text)
    assert caught.value.hint


def test_writes_all_wordings_in_time() -> None:
    meaning = Meaning((Asked("circle"), Asked("star")), relation="above")
    rng = np.random.default_rng(0)
    assert {write(meaning, rng) for _ in range(100)} == set(wordings(meaning))
