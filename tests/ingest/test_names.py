"""Names of models, out of whatever a dataset calls them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from synpic.ingest.names import name_models
from synpic.ingest.writing import ingest_recipe
from synpic.recipe import parse_recipe

LABELS = st.lists(st.none() | st.text(max_size=80), max_size=12)


@given(LABELS)
def test_every_label_gets_a_name_that_a_recipe_could_have(labels: list[str | None]) -> None:
    names = name_models(labels, {})
    assert set(names) == set(labels)
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) for name in names.values())


@given(LABELS, LABELS)
def test_names_that_were_chosen_stay(first: list[str | None], more: list[str | None]) -> None:
    before = name_models(first, {})
    after = name_models(more, before)
    assert {label: after[label] for label in before} == before


def test_names_are_those_one_would_choose() -> None:
    labels = [
        "stabilityai/SDXL-Turbo",
        "Stabilityai SDXL turbo",
        "2B",
        "猫",
        "Äpfel",
        None,
        "unknown",
    ]
    assert list(name_models(labels, {}).values()) == [
        "stabilityai_sdxl_turbo",
        "stabilityai_sdxl_turbo_2",
        "model_2b",
        "model",
        "apfel",
        "unknown",
        "unknown_2",
    ]
    long = "x" * 80
    assert list(name_models([long, long + "!"], {}).values()) == ["x" * 64, "x" * 62 + "_2"]


def test_a_recipe_that_is_written_can_be_read() -> None:
    odd = {"images": 'C:\\x "y"\x7f\n猫', "model": ["a", "b"], "count": 3, "prompt": None}
    recipe = parse_recipe(ingest_recipe(["hpsv2", "a.b:red", "c:red", "a.b:red"], odd))
    assert recipe.ingest is not None
    assert recipe.ingest.model_dump(include=set(odd)) == odd
    rewards = {name: settings.reward for name, settings in recipe.rewards.items()}
    assert rewards == {"hpsv2": None, "red": "a.b:red", "red_2": "c:red"}
