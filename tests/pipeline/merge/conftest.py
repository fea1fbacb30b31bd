from __future__ import annotations

import os
from pathlib import Path

import pytest

from synpic import Workspace
from tests.pipeline.merge.splitting import begin, make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All prompts, models and rewards, drawn and scored."""
    return make(begin(tmp_path_factory.mktemp("merge") / "whole"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder to merge in, which is the working directory: workspaces are called A and B."""
    os.chdir(tmp_path)
    return tmp_path
