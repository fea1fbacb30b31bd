from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import PromptError, PromptsGone
from synpic.prompts import current_prompts, ensure_prompts, read_prompts, stored_prompts
from synpic.workspace import Workspace, tables
from synpic.workspace.sealing import read_sealed
from tests.prompts.conftest import Make


def written_at(folder: Path) -> int:
    return (folder / "prompts.parquet").stat().st_mtime_ns


def test_prompts_are_written_as_the_tables_say(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a\nb\n\na\n")
    workspace = make('file = "p.txt"')
    found = ensure_prompts(workspace.snapshot())
    stored = pq.read_table(tmp_path / "prompts.parquet")
    assert stored.schema.equals(tables.PROMPTS)
    assert stored.replace_schema_metadata() == found.table
    again = stored_prompts(workspace)
    assert again == found
    assert (found.read, found.empty, found.duplicates) == (4, 1, 1)


def test_the_source_is_a_name_and_a_hash_and_no_path(make: Make, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "p.txt"
    file.write_text("a\n")
    found = ensure_prompts(make(f'file = "{file}"').snapshot()).table
    # sha256 of "a\n"
    assert found.column("source").to_pylist() == ["p.txt@87428fc5"]


def test_nothing_is_written_when_nothing_changed(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,n\na,1\na,2\n,3\n")
    workspace = make('file = "p.csv"')
    first = ensure_prompts(workspace.snapshot())
    before = written_at(tmp_path)
    again = ensure_prompts(workspace.snapshot())
    assert written_at(tmp_path) == before
    assert again == first


@pytest.mark.parametrize("change", ["file", "split", "count", "keep"])
def test_a_change_of_source_or_settings_is_taken_up(
    make: Make, tmp_path: Path, change: str
) -> None:
    (tmp_path / "p.csv").write_text("prompt,n\na,1\nb,2\n")
    first = ensure_prompts(make('file = "p.csv"').snapshot()).table
    lines = {"file": "", "split": 'split = "test"', "count": "count = 1", "keep": "keep = []"}
    if change == "file":
        (tmp_path / "p.csv").write_text("prompt,n\na,1\nb,2\nc,3\n")
    workspace = make(f'file = "p.csv"\n{lines[change]}')
    found = ensure_prompts(workspace.snapshot()).table
    assert found != first
    assert read_sealed(workspace.store, "prompts.parquet")[0].equals(found)


def test_appended_lines_keep_order_and_ids(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("b\na\n")
    first = ensure_prompts(make('file = "p.txt"').snapshot()).table
    with (tmp_path / "p.txt").open("a") as stream:
        stream.write("b\nc\n")
    grown = ensure_prompts(make('file = "p.txt"').snapshot()).table
    assert grown.column("prompt").to_pylist() == ["b", "a", "c"]
    kept = ["prompt_id", "prompt", "split"]
    assert grown.slice(0, 2).select(kept) == first.select(kept)


def test_line_ends_and_a_mark_make_no_other_prompts(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes("é\nb\n".encode())
    plain = ensure_prompts(make('file = "p.txt"').snapshot()).table
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbf" + "e\u0301\r\nb\r\n".encode())
    other = ensure_prompts(make('file = "p.txt"').snapshot()).table
    assert plain.column("prompt_id") == other.column("prompt_id")


def test_reading_alone_writes_nothing(make: Make, tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["a"]}), tmp_path / "p.parquet")
    workspace = make('file = "p.parquet"')
    snapshot = workspace.snapshot()
    assert snapshot.recipe.prompts is not None
    found = read_prompts(snapshot.recipe.prompts, snapshot)
    assert found.table.num_rows == 1
    assert not (tmp_path / "prompts.parquet").exists()


def test_a_workspace_need_not_be_on_a_disk() -> None:
    workspace = Workspace("memory://prompts-test")
    recipe = '[prompts]\nfile = "p.parquet"\n[models.m]\ncheckpoint = "owner/m"\n'
    workspace.store.write("recipe.toml", recipe.encode())
    data = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["a", "b"]}), data)
    workspace.store.write("p.parquet", data.getvalue())
    assert ensure_prompts(workspace.snapshot()).table.num_rows == 2
    assert ensure_prompts(workspace.snapshot()).table.column("prompt").to_pylist() == ["a", "b"]


def test_prompts_outlive_their_file(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,n\na,1\nb,2\n")
    workspace = make('file = "p.csv"')
    first = ensure_prompts(workspace.snapshot())
    (tmp_path / "p.csv").unlink()
    before = written_at(tmp_path)
    with pytest.raises(PromptsGone, match=r"p\.csv: no such file"):
        ensure_prompts(workspace.snapshot())
    assert current_prompts(workspace.snapshot())[0] == first
    assert written_at(tmp_path) == before


def test_a_file_that_is_there_is_taken_up(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a\n")
    workspace = make('file = "p.txt"')
    ensure_prompts(workspace.snapshot())
    (tmp_path / "p.txt").write_text("a\nb\n")
    assert current_prompts(workspace.snapshot())[0].table.column("prompt").to_pylist() == ["a", "b"]


def test_a_file_that_was_never_there_is_missed(make: Make, tmp_path: Path) -> None:
    with pytest.raises(PromptsGone, match=r"p\.txt: no such file"):
        current_prompts(make('file = "p.txt"').snapshot())
    assert not (tmp_path / "prompts.parquet").exists()


def test_only_a_source_that_is_gone_is_done_without(make: Make, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt\na\n")
    workspace = make('file = "p.csv"')
    ensure_prompts(workspace.snapshot())
    (tmp_path / "p.csv").write_text("caption\na\n")
    with pytest.raises(PromptError, match="no column 'prompt'"):
        current_prompts(workspace.snapshot())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('file = "none.txt"', r"none\.txt: no such file \(.*none\.txt\)"),
        ('file = "p.jsnl"', r"p\.jsnl: cannot tell .* \.jsnl is\. Did you mean '\.jsonl'\?"),
        ('file = "prompts"', r"cannot tell what kind of file this is"),
        ('file = "p.csv"', r"p\.csv is a folder"),
        ('file = "~nosuchuser/p.txt"', r"~nosuchuser/p\.txt: Could not determine home"),
        ('file = "p.txt"', r"p\.txt@e3b0c442: no prompts \(0 rows"),
        ('file = "p.txt"\ncolumn = "c"', r"prompts\.column: a text file takes no such setting"),
        ('file = "p.csv"\nrevision = "v1"', r"prompts\.revision: a tabular file takes no such"),
    ],
)
def test_mistakes_are_told(make: Make, tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "p.txt").touch()
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(PromptError, match=message) as caught:
        ensure_prompts(make(lines).snapshot())
    assert caught.value.hint


@pytest.mark.parametrize(
    "name", ["prompts.parquet", "./prompts.parquet", "deep/../prompts.parquet"]
)
def test_the_cache_of_prompts_is_no_source_of_prompts(
    make: Make, tmp_path: Path, name: str
) -> None:
    (tmp_path / "deep").mkdir()
    pq.write_table(pa.table({"prompt": ["a", "b"]}), tmp_path / "prompts.parquet")
    before = (tmp_path / "prompts.parquet").read_bytes()
    with pytest.raises(PromptError, match="keeps the prompts that it has read"):
        ensure_prompts(make(f'file = "{name}"').snapshot())
    assert (tmp_path / "prompts.parquet").read_bytes() == before
