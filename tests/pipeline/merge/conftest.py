from __future__ import annotations

import errno
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
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to merge in, which is the working directory: workspaces are called A and B."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that makes no hard links."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
