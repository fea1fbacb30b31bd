from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synpic.generate.schedules import asking
from synpic.generate.schedules.trial import answer_of
from tests.generate import tiny


@pytest.fixture(autouse=True)
def tried_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules are tried in this process, which has torch; but for tests of the other one."""
    if "tried_there" not in request.fixturenames:
        monkeypatch.setattr(asking, "try_all", lambda schedules: [*map(answer_of, schedules)])


@pytest.fixture
def tried_there() -> None:
    """Schedules are tried in a process of its own, as users have it."""


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A builder's name → the folder it was saved into, once a session. Not to be written to."""
    root = tmp_path_factory.mktemp("tiny")

    def folder(name: str) -> Path:
        place = root / name
        return place if place.exists() else tiny.save(name, place)

    return folder


@pytest.fixture
def copied(saved: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Like ``saved``, but a copy to spoil."""
    return lambda name: Path(shutil.copytree(saved(name), tmp_path / name))
