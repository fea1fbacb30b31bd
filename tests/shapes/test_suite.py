"""The suite of the embedded world: its test split, whole."""

from __future__ import annotations

from collections import Counter

import pytest

from synpic import ids
from synpic.prompts.suites import Suite, SuiteData
from synpic.shapes.meaning import TASKS, parse, wordings
from synpic.shapes.prompts import combinations_of, split_of
from synpic.shapes.suite import SHAPES, SHAPES_VALIDATION

VERSIONS = {
    "shapes": "10b193397d50bab98dfbd1b632b6ce36210a4a039ab2fa6091d209483cd13be9",
    "shapes_validation": "74eac46d281cedb360433eb085a7afb63a2b547323814efba2fb9f864551c546",
}


def test_every_combination_of_the_test_split_is_asked_as_often_as_any_of_its_task() -> None:
    items = SHAPES.read(SuiteData()).items
    assert Counter(item.tag for item in items) == {
        **dict.fromkeys(("counting", "position", "colour_attribution"), 344),
        **{"colours": 168, "two": 80, "single": 24},
    }
    assert (SHAPES.origin.items, SHAPES.origin.tags) == (len(items), TASKS)
    assert len({item.prompt for item in items}) == len({item.item for item in items}) == len(items)
    asked: dict[str, Counter[str]] = {task: Counter() for task in TASKS}
    for item in items:
        meaning = parse(item.prompt)
        assert (meaning.task, split_of(meaning)) == (item.tag, "test")
        assert item.spec == {"cluster": wordings(meaning.combination)[0]}
        asked[item.tag][item.spec["cluster"]] += 1
    assert sum(map(len, asked.values())) == 462
    for task, counted in asked.items():
        assert len(counted) == len(combinations_of("test")[task])
        assert max(counted.values()) - min(counted.values()) <= 1


def test_what_checkpoints_are_evaluated_by_shares_no_combination_with_the_suite() -> None:
    items = SHAPES_VALIDATION.read(SuiteData()).items
    assert SHAPES.at_checkpoints == SHAPES_VALIDATION.name
    assert SHAPES_VALIDATION.origin.items == len(items)
    assert {split_of(parse(item.prompt)) for item in items} == {"validation"}
    asked = {item.spec["cluster"] for item in SHAPES.read(SuiteData()).items}
    assert not asked & {item.spec["cluster"] for item in items}


@pytest.mark.parametrize("suite", [SHAPES, SHAPES_VALIDATION], ids=lambda suite: suite.name)
def test_items_do_not_change_unnoticed(suite: Suite) -> None:
    """Numbers of two versions cannot be compared: raise ``edition`` with this hash."""
    items = suite.read(SuiteData()).items
    found = [[one.item, one.prompt, one.tag, one.spec] for one in items]
    assert (ids.fingerprint({"items": found}), suite.edition) == (VERSIONS[suite.name], 1)
