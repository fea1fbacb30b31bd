from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import PromptError
from synpic.prompts.tabular import read_table

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"))


def csv_table(text: str, column: str | None = None, keep: list[str] | None = None) -> pa.Table:
    return pa.concat_tables(read_table(io.BytesIO(text.encode()), "p.csv", column, keep))


def jsonl_table(*rows: Any, column: str | None = None, keep: list[str] | None = None) -> pa.Table:
    data = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return pa.concat_tables(read_table(io.BytesIO(data.encode()), "p.jsonl", column, keep))


def parquet_table(
    path: Path, table: pa.Table, column: str | None = None, keep: list[str] | None = None
) -> pa.Table:
    pq.write_table(table, path / "p.parquet")
    with (path / "p.parquet").open("rb") as stream:
        return pa.concat_tables(read_table(stream, "p.parquet", column, keep))


def test_csv_cells_stay_text_and_other_columns_are_kept() -> None:
    table = csv_table('id,prompt,split\r\n007,"a ""cat"", asleep\nhere",\r\n8,b,test\r\n')
    assert table.to_pylist() == [
        {"prompt": 'a "cat", asleep\nhere', "split": None, "meta_id": "007"},
        {"prompt": "b", "split": "test", "meta_id": "8"},
    ]


@given(st.lists(st.tuples(CELLS, CELLS)))
def test_what_csv_writes_comes_back(rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("prompt", "tag"), *rows])
    table = csv_table(stream.getvalue())
    assert list(zip(*table.to_pydict().values(), strict=True)) == rows


def test_csv_takes_long_cells_where_they_are_not_kept_and_leaves_the_limit_as_it_was() -> None:
    before = csv.field_size_limit()
    text = f"prompt,n\na,{'x' * 200_000}\n"
    assert csv_table(text, keep=[]).to_pydict() == {"prompt": ["a"]}
    with pytest.raises(PromptError, match=r"p\.csv:2: 'n' has 200,000 characters, where at most"):
        csv_table(text)
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"p\.csv:1: no header"),
        ("prompt,prompt\n", r"p\.csv:1: two columns 'prompt'"),
        ('prompt,n\n"two\nlines",1\na cat, asleep,2\n', r"p\.csv:4: 3 cells, .* header has 2"),
        ('prompt\nfine\n"open\n', r"p\.csv:3: not CSV"),
        ("promt,n\na,1\n", r"no column 'prompt'. Did you mean 'promt'\?"),
        ("prompt,split\na,train\nb,te st\n", r"p\.csv:3: split 'te st': letters"),
        ("prompt,split\na,all\n", r"p\.csv:2: split 'all'"),
        ("prompt,split\na,train\nb,All\n", r"p\.csv:3: split 'All'"),
    ],
)
def test_csv_mistakes_are_named_with_their_line(text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        csv_table(text)


def test_a_missing_column_lists_what_there_is() -> None:
    with pytest.raises(PromptError) as caught:
        csv_table("id,caption\n1,a\n")
    assert caught.value.hint == 'it has: id, caption; in the recipe, column = "caption"'


def test_jsonl_keeps_scalars_and_passes_over_the_rest() -> None:
    table = jsonl_table(
        {"prompt": "a", "n": 1, "tags": ["x"]}, "", {"prompt": None, "n": 2.5}, {"prompt": "c"}
    )
    assert table.to_pydict() == {"prompt": ["a", None, "c"], "meta_n": [1.0, 2.5, None]}


def test_values_without_a_type_in_common_are_kept_as_json() -> None:
    table = jsonl_table({"prompt": "a", "n": 1}, {"prompt": "b", "n": "x"}, {"prompt": "c"})
    assert table.column("meta_n").to_pylist() == ["1", '"x"', None]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{'prompt': 1}", r"p\.jsonl:3: not JSON"),
        ("[" * 100_000, r"p\.jsonl:3: nested more than 32 deep"),
        ('["a"]', r"p\.jsonl:3: a JSON list, not an object"),
        ('{"prompt": 5}', r"p\.jsonl:3: the prompt is 5, not text"),
        (r'{"prompt": "x\ud83d"}', r"p\.jsonl:3: .* surrogate pair at character 2"),
        (
            r'{"prompt": "b", "tag": "\ud800"}',
            r"p\.jsonl:3: 'tag' .* surrogate pair at character 1",
        ),
        (
            r'{"prompt": "b", "a\udc00": 1}',
            r"p\.jsonl:3: the column name 'a\\udc00' has .* at character 2",
        ),
        ('{"prompt": "b", "split": 1}', r"p\.jsonl:3: split 1 is not text"),
        ('{"prompt": "b", "split": "all"}', r"p\.jsonl:3: split 'all'"),
    ],
)
def test_jsonl_mistakes_are_named_with_their_line(row: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        jsonl_table({"prompt": "a"}, "", row)


def test_an_empty_jsonl_file_has_no_tables() -> None:
    assert list(read_table(io.BytesIO(b"\n\n"), "p.jsonl", None, None)) == []


def test_keep_chooses_and_checks() -> None:
    row = {"prompt": "a", "n": 1, "m": 2, "tags": ["x"]}
    assert jsonl_table(row, keep=["m"]).column_names == ["prompt", "meta_m"]
    assert jsonl_table(row, keep=[]).column_names == ["prompt"]
    with pytest.raises(PromptError, match="no column 'mm'"):
        jsonl_table(row, keep=["mm"])
    with pytest.raises(PromptError, match="'tags' holds more than one"):
        jsonl_table(row, keep=["tags"])


def test_two_columns_cannot_be_kept_under_one_name() -> None:
    with pytest.raises(PromptError, match="'n' and 'meta_n' would both be kept as 'meta_n'"):
        jsonl_table({"prompt": "a", "n": 1, "meta_n": 2})


def test_parquet_keeps_types_and_reads_no_images(tmp_path: Path) -> None:
    table = pa.table(
        {
            "jpg_0": pa.array([b"\xff", b"\xd8"]),
            "caption": pa.array(["a", None], pa.large_string()),
            "n": pa.array([1, 2], pa.int16()),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "tags": pa.array([["t"], []]),
        }
    )
    found = parquet_table(tmp_path, table, column="caption")
    assert found.schema == pa.schema(
        [("prompt", pa.string()), ("meta_n", pa.int16()), ("meta_kind", pa.string())]
    )
    assert found.column("prompt").to_pylist() == ["a", None]


def test_parquet_with_numbers_for_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"column 'prompt' is int64, not text"):
        parquet_table(tmp_path, pa.table({"prompt": [1, 2]}))


def test_parquet_with_times_for_splits_is_refused(tmp_path: Path) -> None:
    times = pa.array([0], pa.timestamp("us", "Mars/Olympus"))  # no Python value can be made of it
    with pytest.raises(PromptError, match=r"column 'split' is timestamp.*, not text"):
        parquet_table(tmp_path, pa.table({"prompt": ["a"], "split": times}))


def test_a_bad_split_in_parquet_is_named_with_its_row(tmp_path: Path) -> None:
    splits = ["train"] * 20_000 + ["a b"]
    table = pa.table({"prompt": ["a"] * len(splits), "split": splits})
    with pytest.raises(PromptError, match=r"p\.parquet: row 20001: split 'a b'"):
        parquet_table(tmp_path, table)


@pytest.mark.parametrize("column", ["prompt", "split", "tag"])
def test_parquet_that_is_not_utf8_is_named_with_its_row(tmp_path: Path, column: str) -> None:
    rows = 20_000
    texts = {name: pa.array(["train"] * rows) for name in ("prompt", "split", "tag")}
    # Caf\xe9 in Latin-1, in a column that says it is UTF-8.
    latin = pa.array([b"cafe"] * (rows - 1) + [b"caf\xe9"])
    texts[column] = pa.Array.from_buffers(pa.string(), rows, latin.buffers())
    with pytest.raises(PromptError, match=rf"p\.parquet: row 20000: '{column}' is not UTF-8"):
        parquet_table(tmp_path, pa.table(texts))


def test_what_is_no_parquet_is_said_to_be_none() -> None:
    with pytest.raises(PromptError, match=r"p\.parquet: not Parquet"):
        list(read_table(io.BytesIO(b"PAR1 no more"), "p.parquet", None, None))
