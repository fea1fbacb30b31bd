"""Files that others wrote, read as prompts and captions: all of it, or one error with a place."""

from __future__ import annotations

import datetime
import io
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import IngestError, PromptError, SynpicError
from synpic.ingest.labels.json_lists import ListLabels
from synpic.ingest.metadata import parse_metadata
from synpic.prompts import ensure_prompts, read_prompts
from synpic.readers.tables import ENDINGS, open_table
from synpic.recipe import IngestSettings
from synpic.workspace import Workspace
from synpic.workspace.parts import frame
from synpic.workspace.sealing import read_sealed

Make = Callable[..., Workspace]

KINDS = st.sampled_from(ENDINGS)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A workspace whose prompts are a file with this content."""

    def write(name: str, content: bytes | str | pa.Table, more: str = "") -> Workspace:
        if isinstance(content, pa.Table):
            pq.write_table(content, tmp_path / name)
        else:
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        recipe = f'[prompts]\nfile = "{name}"\n{more}\n[models.m]\ncheckpoint = "./m"\n'
        (tmp_path / "recipe.toml").write_text(recipe)
        return Workspace.open(tmp_path)

    return write


def prompts_of(workspace: Workspace) -> pa.Table:
    """What is stored of them, as polars reads it again."""
    ensure_prompts(workspace.snapshot())
    return frame(read_sealed(workspace.store, "prompts.parquet")[0]).to_arrow()


ODD_COLUMNS: dict[str, pa.Array] = {
    "is decimal256": pa.array([Decimal("1.50")], pa.decimal256(76, 2)),
    "is decimal256(10": pa.array([Decimal("1.50")], pa.decimal256(10, 2)),
    "Mars/Phobos": pa.array([0], pa.timestamp("us", "Mars/Phobos")),
}


@pytest.mark.parametrize("says", ODD_COLUMNS)
def test_a_type_that_no_table_can_hold_is_refused_before_anything_is_written(
    make: Make, tmp_path: Path, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    table = pa.table({"prompt": ["a"], "odd": ODD_COLUMNS[says]})
    workspace = make("p.parquet", table)
    with pytest.raises(PromptError, match=r"^p\.parquet: column 'odd' is ") as caught:
        ensure_prompts(workspace.snapshot())
    assert says in str(caught.value)
    assert capfd.readouterr().err == "", "polars panicked"
    assert not (tmp_path / "prompts.parquet").exists()
    # One that is not kept does not matter.
    assert prompts_of(make("p.parquet", table, "keep = []")).num_rows == 1


def test_every_other_plain_type_is_kept(make: Make) -> None:
    zoned = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
    columns = {
        "prompt": pa.array(["a"], pa.string_view()),
        "large": pa.array(["x"], pa.large_string()),
        "kind": pa.array(["x"]).dictionary_encode(),
        "code": pa.array([7]).dictionary_encode(),
        "nothing": pa.nulls(1),
        "decimal": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "day": pa.array([datetime.date(2026, 1, 2)]),
        "time": pa.array([datetime.time(3, 4)]),
        "took": pa.array([datetime.timedelta(seconds=5)]),
        "berlin": pa.array([zoned], pa.timestamp("us", "Europe/Berlin")),
        "offset": pa.array([zoned], pa.timestamp("us", "+05:30")),
        "half": pa.array([1.5], pa.float16()),
        "image": pa.array([b"\xff"], pa.binary_view()),
        "tags": pa.array([["t"]]),
    }
    table = prompts_of(make("p.parquet", pa.table(columns)))
    kept = {name.removeprefix("meta_") for name in table.column_names if "meta_" in name}
    assert kept == columns.keys() - {"prompt", "image", "tags"}
    row = table.to_pylist()[0]
    assert row["prompt"] == "a"
    assert row["meta_offset"] == row["meta_berlin"] == zoned
    assert (row["meta_kind"], row["meta_nothing"]) == ("x", None)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.txt", "a cat\na dog\n".encode("utf-16-le"), r"^p\.txt: the file is UTF-16LE, not"),
        ("p.csv", "prompt\na cat\n".encode("utf-16"), r"^p\.csv: the file is UTF-16, not"),
        ("p.jsonl", '{"prompt": "a"}\n'.encode("utf-16-be"), r"the file is UTF-16BE"),
        ("p.json", '["a cat"]'.encode("utf-16-le"), r"the file is UTF-16LE"),
        ("p.txt", "fine\na\0cat\n", r"^p\.txt:2: 'the prompt' has a NUL at character 2$"),
        ("p.txt", "a\n\ufeffb\n", r"^p\.txt:2: .* a byte order mark \(U\+FEFF\) at character 1$"),
        ("p.csv", "prompt,x\0y\na,b\n", r"^p\.csv:1: the column name 'x\\x00y' has a NUL at ch"),
        ("p.csv", "prompt,n\na,b\0\n", r"^p\.csv:2: 'n' has a NUL at character 2$"),
        ("p.csv", ",prompt\n0,a\n", r"^p\.csv: column 1 has no name$"),
        ("p.csv", "prompt\na cat, asleep\n", r"^p\.csv:2: 2 cells, where the header has 1$"),
        ("p.tsv", "prompt\tn\na\tb\tc\n", r"^p\.tsv:2: 3 cells, where the header has 2$"),
        ("p.tsv", "n\tn\n", r"^p\.tsv:1: two columns 'n'$"),
        ("p.csv", f"prompt\n{'x' * 200_000}\n", r"^p\.csv:2: 'prompt' has 200,000 characters"),
        ("p.jsonl", '{"prompt": "a", "prompt": "b"}', r"^p\.jsonl:1: not JSON: .*twice in one"),
        ("p.jsonl", '{"prompt": "a", "n": NaN}', r"^p\.jsonl:1: not JSON: NaN is no JSON number$"),
        ("p.jsonl", '{"prompt": "a", "n": 99999999999999999999}', r"not JSON: .* beyond 64 bits"),
        ("p.jsonl", '{"prompt": "a", "n": ' + "[" * 50 + "]" * 50 + "}", r"jsonl:1: nested more"),
        ("p.jsonl", r'{"prompt": "a", "\u0000": 1}', r"^p\.jsonl:1: the column name '\\x00' has a"),
        ("p.json", '[{"prompt": "a"}, 5]', r"^p\.json: item 2: a JSON number, not an object$"),
        ("p.jsonl", 'null', r"^p\.jsonl:1: a JSON null, not an object$"),
        ("p.json", '[{"prompt": "a"}', r"^p\.json: not JSON"),
        ("p.parquet", b"", r"^p\.parquet: not Parquet, or damaged"),
        ("p.parquet", b"PAR1" + bytes(40) + b"PAR1", r"^p\.parquet: not Parquet, or damaged"),
        ("p.parquet", pa.table({"prompt": ["a", "b\0"]}), r"^p\.parquet: row 2: 'prompt' has a N"),
        ("p.parquet", pa.table({"prompt": ["a"], "x\0": [1]}), r"^p\.parquet: the column name 'x"),
        (
            "p.parquet",
            pa.Table.from_arrays([pa.array(["a"])] * 2, ["prompt", "prompt"]),
            r"^p\.parquet: two columns 'prompt'",
        ),
        ("p.txt", "\u200b\n\x1b\n \n", r"no prompts \(3 rows, 3 of them empty\)"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named_and_nothing_is_written(
    make: Make, tmp_path: Path, name: str, content: Any, says: str
) -> None:
    workspace = make(name, content)
    with pytest.raises(PromptError, match=says) as caught:
        ensure_prompts(workspace.snapshot())
    assert caught.value.hint
    assert not (tmp_path / "prompts.parquet").exists()


def test_a_list_of_texts_or_objects_is_a_table(make: Make) -> None:
    assert prompts_of(make("p.json", '\n["a", "b"]')).column("prompt").to_pylist() == ["a", "b"]
    rows = '[{"prompt": "a", "n": 1},\n {"prompt": "b"}]'
    assert prompts_of(make("p.json", rows)).column("meta_n").to_pylist() == [1, None]
    lines = '{"prompt": "a"}\n{"prompt": "b"}\n'  # many tools name it so
    assert prompts_of(make("p.json", lines)).num_rows == 2
    assert prompts_of(make("p.tsv", 'prompt\tn\n"a\tb"\t1\n')).column("prompt")[0].as_py() == "a\tb"


def test_prompts_without_a_visible_character_are_counted_as_empty(make: Make) -> None:
    snapshot = make("p.csv", "prompt,n\na,1\n\u200b\u2060,2\n\x07,3\n\u3164,4\n").snapshot()
    found = read_prompts(snapshot.recipe.prompts, snapshot)  # type: ignore[arg-type]
    assert (found.read, found.empty, found.table.num_rows) == (4, 3, 1)


@pytest.mark.parametrize("name", ["p.txt", "p.csv", "p.parquet"])
def test_only_regular_files_are_read(make: Make, tmp_path: Path, name: str) -> None:
    workspace = make(name, "")
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(PromptError, match="is no regular file"):
        ensure_prompts(workspace.snapshot())
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(PromptError, match="is a folder"):
        ensure_prompts(workspace.snapshot())


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff\r"), min_size=1
)


@given(KINDS, st.lists(st.tuples(TEXTS, TEXTS), min_size=1))
def test_every_kind_of_file_gives_the_same_rows(kind: str, rows: list[tuple[str, str]]) -> None:
    written = [{"text": text, "n": other} for text, other in rows]
    table = open_table(io.BytesIO(_write(written, kind)), f"t{kind}", error=PromptError)
    assert list(table.columns) == ["text", "n"]
    assert [row for batch in table.batches(["text", "n"]) for row in batch.rows] == written
    only = [dict(row) for batch in table.batches(["n"]) for row in batch.rows]
    if kind not in (".csv", ".tsv"):  # those are read once
        assert only == [{"n": other} for _, other in rows]


@given(KINDS, st.binary(max_size=200))
def test_any_bytes_are_rows_or_one_error(kind: str, data: bytes) -> None:
    try:
        table = open_table(io.BytesIO(data), f"t{kind}", error=PromptError)
        for batch in table.batches(list(table.columns)):
            assert all(batch.at(number) for number in range(len(batch.rows)))
    except SynpicError as error:
        assert isinstance(error, PromptError)
        assert error.message.startswith(f"t{kind}")
        assert error.hint


def _write(rows: list[dict[str, str]], kind: str) -> bytes:
    import csv

    if kind == ".parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if kind in (".csv", ".tsv"):
        stream = io.StringIO(newline="")
        writer = csv.writer(
            stream, delimiter="\t" if kind == ".tsv" else ",", quoting=csv.QUOTE_ALL
        )
        writer.writerows([rows[0].keys(), *(row.values() for row in rows)])
        return stream.getvalue().encode()
    return (json.dumps(rows) if kind == ".json" else "\n".join(map(json.dumps, rows))).encode()


METADATA = [
    ("metadata.csv", "file_name,text\n0001.png,a cat, asleep\n", r"^metadata\.csv:2: 3 cells, wh"),
    ("metadata.csv", "file_name,text,text\n", r"^metadata\.csv:1: two columns 'text'$"),
    ("metadata.csv", "file_name,text\n0001\0.png,a\n", r"^metadata\.csv:2: file_name has a NUL"),
    ("metadata.csv", "file_name,text\n0.png,a\n".encode("utf-16"), r"the file is UTF-16, not UTF"),
    ("metadata.jsonl", '{"file_name": "0.png", "text": "a", "text": "b"}', r"twice in one object"),
    ("metadata.parquet", b"PAR1", r"^metadata\.parquet: not Parquet"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "says"), METADATA)
def test_metadata_is_held_to_the_same(name: str, content: bytes | str, says: str) -> None:
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(IngestError, match=says):
        parse_metadata(name, data, IngestSettings(images="."), ListLabels(True))


def test_metadata_of_every_kind_say_the_same() -> None:
    rows = [{"file_name": "a.png", "text": "a cat"}, {"file_name": "b.png", "text": "x\0"}]
    for kind in (".csv", ".jsonl", ".parquet"):
        found = parse_metadata(
            f"sub/metadata{kind}",
            _write(rows, kind),
            IngestSettings(images="."),
            ListLabels(True),
        )
        assert [(one.file, one.prompt, one.problem) for one in found] == [
            ("sub/a.png", "a cat", None),
            ("sub/b.png", None, "its caption has a NUL at character 2"),
        ]
