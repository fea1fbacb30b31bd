"""``ingest.parquet``, and the prompts that are written with it, are made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synpic.errors import SourceMissing
from synpic.ingest import current_index, ensure_index
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Workspace
from synpic.workspace.parts import frame
from synpic.workspace.sealing import read_sealed
from tests.ingest.conftest import pictures

__all__ = ["pictures"]

Damage = Callable[[Path], object]
DAMAGES: dict[str, Damage] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "flipped": lambda path: path.write_bytes(path.read_bytes().replace(b"source", b"sourve")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.fixture
def indexed(pictures: Path, tmp_path: Path) -> Workspace:
    text = f'[ingest]\nimages = "{pictures}"\n[rewards.red]\nreward = "tests.fakes:redness"\n'
    workspace = Workspace.create(tmp_path / "set", text)
    take_inventory(workspace)
    return workspace


def damage(workspace: Workspace, name: str, how: str) -> None:
    DAMAGES[how](Path(workspace.store.root) / name)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("read", [ensure_index, lambda of: current_index(of)[0]])
def test_an_index_that_cannot_be_read_is_made_again(
    how: str, read: Callable[..., object], indexed: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    first = take_inventory(indexed)
    damage(indexed, "ingest.parquet", how)
    read(indexed.snapshot())
    assert "ingest.parquet" in caplog.text
    caplog.clear()
    again = take_inventory(indexed)
    assert again.wanted_candidates().equals(first.wanted_candidates())
    assert not caplog.text


@pytest.mark.parametrize("how", DAMAGES)
def test_prompts_come_back_from_the_index_without_the_source(
    how: str, indexed: Workspace, pictures: Path
) -> None:
    first = take_inventory(indexed).prompts
    damage(indexed, "prompts.parquet", how)
    shutil.rmtree(pictures)
    assert take_inventory(indexed).prompts.equals(first)
    assert frame(read_sealed(indexed.store, "prompts.parquet")[0]).equals(first)


@pytest.mark.parametrize("how", DAMAGES)
def test_without_source_and_index_the_source_is_named(
    how: str, indexed: Workspace, pictures: Path
) -> None:
    damage(indexed, "ingest.parquet", how)
    shutil.rmtree(pictures)
    with pytest.raises(SourceMissing, match="no such folder"):
        take_inventory(indexed)
