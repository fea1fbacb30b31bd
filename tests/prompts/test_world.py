from __future__ import annotations

import pytest

from synpic.errors import PromptError, UnknownName
from synpic.prompts import ensure_prompts
from tests.prompts.conftest import Make

HERE = "tests.prompts.worlds"


def test_a_world_gives_prompts_splits_and_more(make: Make) -> None:
    workspace = make(f'world = "{HERE}:numbers"\ncount = 3\nseed = 5\nsplit = "test"')
    found = ensure_prompts(workspace.snapshot()).table
    assert found.column("prompt").to_pylist() == ["5 dots", "6 dots", "7 dots"]
    assert found.column("split").to_pylist() == ["test"] * 3
    assert found.column("meta_dots").to_pylist() == [0, 1, 2]
    assert set(found.column("source").to_pylist()) == {f"world:{HERE}:numbers@seed=5"}


def test_a_world_without_end_is_asked_for_count_rows(make: Make) -> None:
    found = ensure_prompts(make(f'world = "{HERE}:endless"\ncount = 4').snapshot())
    assert found.table.column("prompt").to_pylist() == ["0 dots", "1 dots"]
    assert found.duplicates == 2


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ("broken", "it failed: ZeroDivisionError: no such world"),
        ("texts", "row 1 is of type str, not a mapping"),
        ("halves", "row 2: 'prompt' has half of a surrogate pair at character 2"),
        ("numbered", "row 1: the key 7 is not text"),
        ("silent", "no prompts"),
        ("nothing", "is of type int, which cannot be called"),
    ],
)
def test_what_is_no_world_is_told(make: Make, world: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        ensure_prompts(make(f'world = "{HERE}:{world}"\ncount = 2').snapshot())


def test_an_unknown_world_suggests(make: Make) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'shapes'"):
        ensure_prompts(make('world = "shape"\ncount = 2').snapshot())
