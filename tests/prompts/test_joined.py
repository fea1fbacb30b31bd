"""Prompts of several workspaces in one file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import PromptError
from synpic.prompts import ensure_prompts
from synpic.prompts.joined import JOINED, write_joined
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


def test_one_that_was_changed_is_refused(make: Make, tmp_path: Path) -> None:
    workspace = make(f'file = "{JOINED}"')
    write_joined(workspace.store, pa.table(ROWS))
    data = bytearray((tmp_path / JOINED).read_bytes())
    data[8] ^= 1
    (tmp_path / JOINED).write_bytes(data)
    with pytest.raises(PromptError, match=f"{JOINED}: its bytes are not those"):
        ensure_prompts(workspace.snapshot())
