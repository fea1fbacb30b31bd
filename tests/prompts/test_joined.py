"""Prompts of several workspaces in one file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import PromptError
from synpic.prompts import current_prompts, ensure_prompts
from synpic.prompts.joined import JOINED, write_joined
from synpic.prompts.read import read_prompts
from synpic.workspace.sealing import write_sealed
from tests.prompts.conftest import Make

ROWS = {
    "prompt_id": ["x", "y"],
    "prompt": ["a cat", "a dog"],
    "split": ["test", "train"],
    "source": ["a.txt@1", "b.txt@2"],
    "meta_source": ["kept", None],
}


def test_each_row_keeps_its_source(make: Make) -> None:
    workspace = make(f'file = "{JOINED}"')
    write_joined(workspace.store, pa.table(ROWS))
    table = ensure_prompts(workspace.snapshot()).table
    for name in ("prompt", "split", "source", "meta_source"):
        assert table[name].to_pylist() == ROWS[name]


def test_a_table_of_others_has_no_such_column(make: Make, tmp_path: Path) -> None:
    workspace = make(f'file = "{JOINED}"')
    pq.write_table(pa.table({"prompt": ["a cat"], "source": ["web"]}), tmp_path / JOINED)
    table = ensure_prompts(workspace.snapshot()).table
    assert table["meta_source"].to_pylist() == ["web"]
    assert table["source"].to_pylist()[0].startswith(JOINED)


@pytest.mark.parametrize("more", ["", '\nkeep = ["meta_source"]'])
def test_no_changed_bit_passes(make: Make, tmp_path: Path, more: str) -> None:
    workspace = make(f'file = "{JOINED}"{more}')
    write_joined(workspace.store, pa.table(ROWS))
    written = (tmp_path / JOINED).read_bytes()
    snapshot = workspace.snapshot()
    settings = snapshot.recipe.prompts
    assert settings is not None
    assert read_prompts(settings, snapshot).table.num_rows == 2
    for at in {*range(0, len(written), 11), *range(len(written) - 12, len(written))}:
        data = bytearray(written)
        data[at] ^= 1 << at % 8
        (tmp_path / JOINED).write_bytes(data)
        with pytest.raises(PromptError, match=f"{JOINED}: its bytes are not those"):
            read_prompts(settings, snapshot)
        assert [one.file for one in workspace.verify().damaged] == [JOINED]


def test_what_was_read_stands_in_for_one_that_is_set_aside(make: Make, tmp_path: Path) -> None:
    workspace = make(f'file = "{JOINED}"')
    write_joined(workspace.store, pa.table(ROWS))
    before = ensure_prompts(workspace.snapshot()).table
    assert (workspace.verify().files, workspace.verify().damaged) == (2, [])
    (tmp_path / JOINED).write_bytes((tmp_path / JOINED).read_bytes()[:-9])
    for one in workspace.verify().damaged:
        workspace.set_aside(one.file)
    assert not (tmp_path / JOINED).exists()
    assert current_prompts(workspace.snapshot())[0].table.equals(before)


def test_a_table_of_others_is_not_verified(make: Make, tmp_path: Path) -> None:
    workspace = make(f'file = "{JOINED}"')
    pq.write_table(pa.table({"prompt": ["a cat"]}), tmp_path / JOINED)
    assert workspace.verify().files == 0


def test_prompts_of_another_workspace_are_a_plain_table(make: Make, tmp_path: Path) -> None:
    workspace = make('file = "theirs/prompts.parquet"')
    write_sealed(workspace.store, "theirs/prompts.parquet", pa.table({"prompt": ["a cat"]}), {})
    assert ensure_prompts(workspace.snapshot()).table["prompt"].to_pylist() == ["a cat"]
