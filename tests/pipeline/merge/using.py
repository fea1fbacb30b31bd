"""Merging in the working directory, and what a test asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from synpic import Workspace, merge_workspaces, rank_candidates
from synpic.errors import WorkspaceError
from tests.pipeline.merge.splitting import PROMPTS, split

__all__ = ["halves", "merge", "ranked", "refused"]


def merge(*names: str, to: str = "C", **options: Any) -> Workspace:
    merge_workspaces(names, to, **options)
    return Workspace.open(to)


def ranked(workspace: Workspace) -> pl.DataFrame:
    table = rank_candidates(workspace).ranking.table
    return table.select(sorted(table.columns)).sort("candidate_id")


def halves(whole: Workspace, here: Path, **options: Any) -> None:
    split(whole, here / "A", PROMPTS[:8], **options)
    split(whole, here / "B", PROMPTS[8:], **options)


def refused(*names: str, to: str = "C", **options: Any) -> str:
    """The message with which a merge is refused; a dry run says the same, and nothing is left."""
    with pytest.raises(WorkspaceError) as caught:
        merge_workspaces(names, to, **options)
    assert caught.value.hint
    looked = merge_workspaces(names, to, dry_run=True, **options)
    assert looked.clashes
    assert all(clash.what in caught.value.message for clash in looked.clashes)
    assert not Path(to).exists()
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]
    return caught.value.message
