"""What tests of releases on the Hub share: a Hub, a patient publisher, what a whole release is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from synpic.publish import (
    HubRelease,
    Patience,
    PublishOptions,
    publish_to_hub,
)
from synpic.publish.hub import load_check, load_check_program
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.nursery import ForkServer
from tests.publish.fixtures import TWO_SPLITS, build

__all__ = [
    "MORE",
    "SET",
    "here",
    "loaded_at_once",
    "patience",
    "publish",
    "trusting",
    "whole",
    "workspace",
]

SET = "user/set"
MORE = [*TWO_SPLITS, ("a purple cross", "train")]


@pytest.fixture
def here(hub: HubServer, online: Any, waits: list[float], tmp_path: Path) -> HubServer:
    """The Hub of this test, with all clients turned to it."""
    online(hub, "hf_write", tmp_path / "home")
    return hub


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process loads what was published; the tests that say so do that themselves."""
    monkeypatch.setattr("synpic.publish.hub.release.check_loads", lambda *_: None)


@pytest.fixture
def loaded_at_once(forks: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was published is loaded by a process that need not import the libraries first."""

    def run(_: Any, commit: str, asked: str, environment: Mapping[str, str]) -> Any:
        code = (
            "import io, runpy, sys\n"
            f"sys.stdin = io.StringIO({asked!r})\n"
            f"runpy.run_path({load_check_program.__file__!r}, run_name='__main__')"
        )
        process = forks.start([], code=code, environment=environment)
        output, errors = process.communicate(timeout=280)
        return subprocess.CompletedProcess([], process.wait(), output, errors)

    monkeypatch.setattr(load_check, "_run", run)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set")


def patience(said: list[str] | None = None) -> Patience:
    slept: list[float] = []
    return Patience(tell=(said if said is not None else []).append, sleep=slept.append)


def publish(workspace: Workspace, repository: str = SET, **options: Any) -> HubRelease:
    progress = options.pop("on_progress", None)
    asked = PublishOptions(**{"patience": patience(), **options})
    return publish_to_hub(workspace, repository, asked, on_progress=progress)


def whole(server: HubServer, revision: str = "main") -> dict[str, Any] | None:
    """The manifest of a revision, whose files must be those named; None if it holds no release."""
    repository = server.repositories[SET]
    files = repository.files(revision)
    if "manifest.json" not in files:
        assert not any(path.endswith(".parquet") for path in files)
        return None
    manifest: dict[str, Any] = json.loads(server.read(SET, "manifest.json", revision))
    assert {*manifest["files"], "manifest.json"} == set(files) - {".gitattributes"}
    for path, described in manifest["files"].items():
        assert files[path].size == described["bytes"], path
        assert files[path].lfs in (None, described["sha256"]), path
    return manifest
