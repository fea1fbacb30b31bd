from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from synpic.errors import PromptError
from synpic.shapes.meaning import TASKS, parse
from synpic.shapes.prompts import SPLITS, combinations_of, draw, prompts, source, split_of


def test_splits_share_no_combination_however_it_is_said() -> None:
    said = {
        split: {parse(text).combination for text, _ in prompts(1200, 5, split)} for split in SPLITS
    }
    for one, other in combinations(SPLITS, 2):
        assert said[one]
        assert not said[one] & said[other]


def test_what_training_draws_is_of_its_split() -> None:
    rng = np.random.default_rng(0)
    for task in TASKS:
        for _ in range(100):
            meaning, text = draw(rng, task, "train")
            assert meaning.task == task
            assert parse(text) == meaning
            assert split_of(meaning) == "train"


def test_every_split_has_every_task() -> None:
    for split in SPLITS:
        found = combinations_of(split)
        assert tuple(found) == TASKS
        assert all(found.values())


def test_the_same_seed_gives_the_same_prompts_and_no_two_are_equal() -> None:
    one = prompts(600, 3, "test")
    assert one == prompts(600, 3, "test")
    assert one != prompts(600, 4, "test")
    assert len({text for text, _ in one}) == 600
    assert [text for text, _ in prompts(50, 3, "test")] == [text for text, _ in one[:50]]


def test_tasks_take_turns() -> None:
    tasks = [about["task"] for _, about in prompts(60, 0, "train")]
    assert tasks == list(TASKS) * 10


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(PromptError, match=r"has [\d,]+ prompts, 1,000,000 asked for") as caught:
        prompts(1_000_000, 0, "test")
    assert "at most" in (caught.value.hint or "")


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(PromptError, match="Did you mean 'validation'"):
        prompts(1, 0, "validaton")


def test_the_source_gives_rows() -> None:
    rows = list(source(count=12, seed=0, split="validation"))
    assert len(rows) == 12
    for row in rows:
        assert set(row) == {"prompt", "split", "meta_task", "meta_things", "meta_background"}
        assert row["split"] == "validation"
        meaning = parse(row["prompt"])
        assert row["meta_task"] == meaning.task
        assert row["meta_things"] == len(meaning.wanted)
        assert row["meta_background"] == meaning.background
