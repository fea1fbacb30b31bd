from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import RecipeError
from synpic.workspace.marks import MARKS, Mark, Marks, read_marks, write_marks
from synpic.workspace.storage import Store

IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
NOTES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
MARK = st.builds(
    Mark,
    drop=st.booleans(),
    star=st.booleans(),
    note=st.none() | NOTES,
) | st.builds(Mark, keep=st.booleans())
TABLES = st.dictionaries(IDS, MARK.filter(lambda mark: mark != Mark()), max_size=3)


@given(prompts=TABLES, candidates=TABLES)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    prompts: dict[str, Mark],
    candidates: dict[str, Mark],
) -> None:
    store = Store(tmp_path_factory.mktemp("marks"))
    marks = Marks(prompts=prompts, candidates=candidates)
    write_marks(store, marks)
    assert read_marks(store) == marks
    written = store.read(MARKS)
    write_marks(store, read_marks(store))
    assert store.read(MARKS) == written


def test_no_file_has_no_marks(tmp_path: Path) -> None:
    assert read_marks(Store(tmp_path)) == Marks()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[prompts.abc]\ndrop = true\n", "marks.toml:1: prompts.abc: an id is written in full"),
        ("[prompts.none]\ndrop = true\n", "prompts.none: not an id: it has 32 digits"),
        (f"[prompts.{'A' * 32}]\ndrop = true\n", "an id has no upper-case letters"),
        (f"[prompts.{'a' * 32}]\ndorp = true\n", "unknown key. Did you mean 'drop'?"),
        (f"[candidates.{'a' * 32}]\ndrop = 1\n", "candidates"),
        ("[images]\n", "images: unknown key"),
    ],
)
def test_a_mistake_has_its_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / MARKS).write_text(text)
    with pytest.raises(RecipeError) as error:
        read_marks(Store(tmp_path))
    assert says in error.value.message
