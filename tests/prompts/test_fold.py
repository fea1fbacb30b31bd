from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import PromptError
from synpic.prompts.fold import PromptTable, fold
from synpic.prompts.source import PromptSource

TEXTS = st.lists(st.text(alphabet="aé\u0301e  \t한가", max_size=4), max_size=30)


def folded(*batches: list[str | None], count: int | None = None) -> PromptTable:
    tables = [pa.table({"prompt": pa.array(batch, pa.string())}) for batch in batches]
    return fold(PromptSource("here", {"file": "h"}, lambda: iter(tables)), "train", count)


def prompts(table: PromptTable) -> list[str]:
    return table.table.column("prompt").to_pylist()


def test_equal_prompts_fold_into_the_first_and_are_counted() -> None:
    found = folded(["b", "a", "b", None, " \t"], ["a", "c", ""])
    assert prompts(found) == ["b", "a", "c"]
    assert (found.read, found.empty, found.duplicates) == (8, 3, 2)


def test_text_is_kept_as_given_but_in_nfc() -> None:
    found = folded(["  cafe\u0301 ", "caf\u00e9", "  caf\u00e9 "])
    assert prompts(found) == ["  caf\u00e9 ", "caf\u00e9"]
    assert found.duplicates == 1


def test_ids_are_of_the_nfc_text() -> None:
    found = folded(["cafe\u0301"])
    expected = hashlib.sha256("caf\u00e9".encode()).hexdigest()[:32]
    assert found.table.column("prompt_id").to_pylist() == [expected]


@given(TEXTS)
def test_nfc_and_nfd_give_one_table(texts: list[str]) -> None:
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    decomposed = [unicodedata.normalize("NFD", text) for text in texts]
    expected = list(dict.fromkeys(text for text in composed if text.strip()))
    if not expected:
        with pytest.raises(PromptError, match="no prompts"):
            folded(decomposed)
        return
    one, other = folded(composed), folded(decomposed)
    assert prompts(one) == expected
    assert one.table == other.table
    assert one.read == one.empty + one.duplicates + one.table.num_rows == len(texts)


@given(TEXTS, TEXTS)
def test_growth_keeps_order_and_ids(before: list[str], added: list[str]) -> None:
    before = ["x", *before]
    small, large = folded(before), folded(before, added)
    assert large.table.slice(0, small.table.num_rows) == small.table


@given(TEXTS, st.integers(1, 8))
def test_count_takes_the_first_distinct(texts: list[str], count: int) -> None:
    texts = ["x", *texts]
    assert prompts(folded(texts, count=count)) == prompts(folded(texts))[:count]


def test_no_more_is_read_than_is_wanted() -> None:
    def batches() -> Iterator[pa.Table]:
        yield pa.table({"prompt": ["a", "a", "b"]})
        raise AssertionError("the second batch was asked for")

    found = fold(PromptSource("here", {}, batches), "train", 2)
    assert prompts(found) == ["a", "b"]
    assert found.read == 3


def test_a_split_of_the_row_comes_before_the_recipe() -> None:
    table = pa.table({"prompt": ["a", "b"], "split": pa.array([None, "test"])})
    found = fold(PromptSource("here", {}, lambda: iter([table])), "train", None)
    assert found.table.column("split").to_pylist() == ["train", "test"]


def test_batches_may_differ_where_one_holds_only_nulls() -> None:
    batches = [
        pa.table({"prompt": ["a"], "meta_n": pa.nulls(1)}),
        pa.table({"prompt": ["b"], "meta_n": [7]}),
    ]
    found = fold(PromptSource("here", {}, lambda: iter(batches)), "train", None)
    assert found.table.column("meta_n").to_pylist() == [None, 7]


def test_no_prompts_is_an_error_that_counts() -> None:
    with pytest.raises(PromptError, match=r"here: no prompts \(2 rows, 2 of them empty\)"):
        folded(["", "\u3000"])
