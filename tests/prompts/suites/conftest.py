from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synpic.workspace import Workspace

MakeSuite = Callable[[str], Workspace]


@pytest.fixture
def suite(tmp_path: Path) -> MakeSuite:
    """A workspace in ``tmp_path`` whose recipe has these lines below ``[suite]``."""

    def write(lines: str) -> Workspace:
        recipe = f'[suite]\n{lines}\n[models.m]\ncheckpoint = "./m"\n'
        (tmp_path / "recipe.toml").write_text(recipe)
        return Workspace.open(tmp_path)

    return write
