"""``prompts.parquet`` is made again whenever it cannot be read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import NewerSchema, PromptsGone
from synpic.prompts import PromptTable, current_prompts, ensure_prompts, stored_prompts
from synpic.workspace import Workspace, tables
from synpic.workspace.sealing import write_sealed
from synpic.workspace.storage import Store
from tests.prompts.conftest import Make

NAME = "prompts.parquet"
Damage = Callable[[Path], object]


def rewritten(change: Callable[[pa.Table], pa.Table], **note: object) -> Damage:
    """The same file with other columns, or other metadata."""

    def damage(path: Path) -> None:
        table = pq.read_table(path)
        kept = {**json.loads(table.schema.metadata[b"synpic"]), **note}
        write_sealed(Store(path.parent), path.name, change(table), kept)

    return damage


def as_it_is(table: pa.Table) -> pa.Table:
    return table


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "note.txt").write_text("somebody's")


OLDER = tables.SCHEMA_VERSION - 1
WHEN = pa.array([0], pa.timestamp("us", "Mars/Olympus"))

DAMAGES: dict[str, Damage] = {
    "empty": lambda path: path.write_bytes(b""),
    "no Parquet": lambda path: path.write_bytes(b"prompt\na\n"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "a folder": become_a_folder,
    "somebody's": lambda path: pq.write_table(pa.table({"prompt": ["x"]}), path),
    "older": rewritten(as_it_is, schema_version=OLDER),
    "no identity": rewritten(as_it_is, identity=None),
    "counts": rewritten(as_it_is, read="many"),
    "less than nothing": rewritten(as_it_is, empty=-1),
    "a column less": rewritten(lambda table: table.drop_columns(["split"])),
    "another type": rewritten(
        lambda table: table.set_column(0, "prompt_id", pa.array([1] * table.num_rows))
    ),
    "a type that polars lacks": rewritten(
        lambda table: table.append_column("meta_x", WHEN.take(pa.array([0] * table.num_rows)))
    ),
    "decimals": rewritten(
        lambda table: table.append_column(
            "meta_x", pa.array([None] * table.num_rows, pa.decimal256(70, 2))
        )
    ),
    "NUL in a name": rewritten(
        lambda table: table.append_column("meta_\0", pa.array(["x"] * table.num_rows))
    ),
}


@pytest.fixture
def made(make: Make, tmp_path: Path) -> tuple[Workspace, PromptTable]:
    (tmp_path / "p.txt").write_text("a\nb\n\na\n")
    workspace = make('file = "p.txt"')
    return workspace, ensure_prompts(workspace.snapshot())


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("read", [ensure_prompts, lambda of: current_prompts(of)[0]])
def test_one_that_cannot_be_read_is_made_again(
    name: str,
    read: Callable[..., PromptTable],
    made: tuple[Workspace, PromptTable],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    workspace, first = made
    DAMAGES[name](tmp_path / NAME)
    assert read(workspace.snapshot()) == first
    assert f"{NAME}" in caplog.text
    assert "made again" in caplog.text
    caplog.clear()
    assert stored_prompts(workspace) == first
    assert not caplog.text


@pytest.mark.parametrize("name", DAMAGES)
def test_without_its_source_the_source_is_named(
    name: str, made: tuple[Workspace, PromptTable], tmp_path: Path
) -> None:
    workspace, _ = made
    DAMAGES[name](tmp_path / NAME)
    (tmp_path / "p.txt").unlink()
    with pytest.raises(PromptsGone, match=r"p\.txt: no such file"):
        current_prompts(workspace.snapshot())


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_any_byte_flipped_is_made_again(
    made: tuple[Workspace, PromptTable], tmp_path: Path, step: int
) -> None:
    workspace, first = made
    path = tmp_path / NAME
    whole = path.read_bytes()
    for place in range(0, len(whole), step):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        assert current_prompts(workspace.snapshot())[0] == first, place


def test_what_was_a_folder_is_kept(made: tuple[Workspace, PromptTable], tmp_path: Path) -> None:
    workspace, _ = made
    for _ in range(2):
        shutil.rmtree(tmp_path / NAME, ignore_errors=True)
        (tmp_path / NAME).unlink(missing_ok=True)
        (tmp_path / NAME).mkdir()
        (tmp_path / NAME / "note.txt").write_text("somebody's")
        ensure_prompts(workspace.snapshot())
    assert len(list((tmp_path / "set-aside").rglob("note.txt"))) == 2


def test_one_of_a_newer_synpic_is_left_alone(
    made: tuple[Workspace, PromptTable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, first = made
    with monkeypatch.context() as patched:
        patched.setattr(tables, "SCHEMA_VERSION", tables.SCHEMA_VERSION + 1)
        workspace.write_prompts(first.table, first.note)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(NewerSchema):
        current_prompts(workspace.snapshot())
    assert (tmp_path / NAME).read_bytes() == before
